-- insert_beats
-- Every heartbeat, once.
INSERT INTO bot_beats AS t (name, at, message_id, status, comment, message_at)
SELECT i.name, i.at, i.message_id, i.status, i.comment, i.message_at
FROM (
    SELECT unnest($1::text[]) AS name, unnest($2::timestamptz[]) AS at, unnest($3::text[]) AS message_id,
        unnest($4::text[]) AS status, unnest($5::text[]) AS comment, unnest($6::timestamptz[]) AS message_at
) AS i
ORDER BY i.name, i.at, i.message_id
ON CONFLICT (name, at, message_id) DO NOTHING
RETURNING t.name, t.at, t.message_id
