-- insert_beats
-- Every heartbeat, once.
INSERT INTO bot_beats AS t (name, at, message_id, status, comment, message_at)
SELECT i.name, i.at, i.message_id, i.status, i.comment, i.message_at
FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
    AS i (name, at, message_id, status, comment, message_at)
ORDER BY i.name, i.at, i.message_id
ON CONFLICT (name, at, message_id) DO NOTHING
RETURNING t.name, t.at, t.message_id
