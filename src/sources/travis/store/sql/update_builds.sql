-- update_builds
-- Updates builds, which are locked.
UPDATE travis_builds AS t SET
    state = i.state, duration = i.duration, received_at = i.received_at, started_at = i.started_at,
    finished_at = i.finished_at, canceled_at = i.canceled_at, restarted_at = i.restarted_at, run_at = i.run_at,
    ever_bad = i.ever_bad, message_id = i.message_id, message_at = i.message_at, updated_at = now()
FROM (
    SELECT unnest($1::bigint[]) AS id, unnest($2::text[]) AS state, unnest($3::integer[]) AS duration,
        unnest($4::timestamptz[]) AS received_at, unnest($5::timestamptz[]) AS started_at,
        unnest($6::timestamptz[]) AS finished_at, unnest($7::timestamptz[]) AS canceled_at,
        unnest($8::timestamptz[]) AS restarted_at, unnest($9::timestamptz[]) AS run_at,
        unnest($10::text[]) AS message_id, unnest($11::timestamptz[]) AS message_at,
        unnest($12::boolean[]) AS ever_bad
) AS i
WHERE t.id = i.id
RETURNING t.id
