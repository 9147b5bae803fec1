-- take_pending
-- Messages that came before the builds that are there now.
DELETE FROM travis_pending
WHERE (object = 'job' AND object_id = ANY($1::bigint[])) OR (object = 'build' AND object_id = ANY($2::bigint[]))
RETURNING object, object_id, message_id, message_at, event, told::text AS told
