-- take_pending
-- Removes the pending messages of new builds.
DELETE FROM travis_pending
WHERE (object = 'job' AND object_id = ANY($1::bigint[])) OR (object = 'build' AND object_id = ANY($2::bigint[]))
RETURNING object, object_id, message_id, message_at, event, told::text AS told
