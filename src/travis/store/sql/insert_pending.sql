-- insert_pending
-- Messages about builds that are still to come, each once.
INSERT INTO travis_pending (object, object_id, message_id, message_at, event, told)
SELECT i.object, i.object_id, i.message_id, i.message_at, i.event, i.told::jsonb
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::timestamptz[], $5::text[], $6::text[])
    AS i (object, object_id, message_id, message_at, event, told)
ORDER BY i.object, i.object_id, i.message_id
ON CONFLICT (object, object_id, message_id) DO NOTHING
RETURNING object, object_id, message_id
