-- prune_pending
-- Skips rows that are locked: their build has arrived.
WITH old AS (
    SELECT object, object_id, message_id
    FROM travis_pending
    WHERE updated_at <= $1
    ORDER BY updated_at, object, object_id, message_id
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
DELETE FROM travis_pending AS p
USING old AS o
WHERE p.object = o.object AND p.object_id = o.object_id AND p.message_id = o.message_id
RETURNING p.object, p.object_id, p.event, p.updated_at
