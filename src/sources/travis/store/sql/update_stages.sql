-- update_stages
-- Updates stages. Their builds are locked.
UPDATE travis_stages AS t SET
    state = i.state, started_at = i.started_at, finished_at = i.finished_at, message_id = i.message_id,
    message_at = i.message_at, updated_at = now()
FROM (
    SELECT unnest($1::bigint[]) AS id, unnest($2::text[]) AS state, unnest($3::timestamptz[]) AS started_at,
        unnest($4::timestamptz[]) AS finished_at, unnest($5::text[]) AS message_id,
        unnest($6::timestamptz[]) AS message_at
) AS i
WHERE t.id = i.id
RETURNING t.id
