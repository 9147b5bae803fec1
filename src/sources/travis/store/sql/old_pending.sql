-- old_pending
SELECT object, object_id, event, updated_at
FROM travis_pending
WHERE updated_at <= $1
ORDER BY updated_at, object, object_id, message_id
LIMIT $2
