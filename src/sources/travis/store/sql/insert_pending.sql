-- insert_pending
-- Stores messages whose build does not exist yet, each once.
INSERT INTO travis_pending (object, object_id, message_id, message_at, event, told)
SELECT i.object, i.object_id, i.message_id, i.message_at, i.event, i.told::jsonb
FROM (
    SELECT unnest($1::text[]) AS object, unnest($2::bigint[]) AS object_id, unnest($3::text[]) AS message_id,
        unnest($4::timestamptz[]) AS message_at, unnest($5::text[]) AS event, unnest($6::text[]) AS told
) AS i
ORDER BY i.object, i.object_id, i.message_id
ON CONFLICT (object, object_id, message_id) DO NOTHING
RETURNING object, object_id, message_id
