-- repair_pipelinerun
-- Of two objects with one name, the younger one wins: an object without a time of creation loses to every other one.
UPDATE pipelineruns AS t SET
    created_at = CASE WHEN t.created_at > $2::timestamptz THEN NULL ELSE t.created_at END,
    tie = CASE WHEN t.resource_version > 0 THEN t.tie
        ELSE least(t.tie, (extract(epoch FROM t.received_at) * 1000000)::bigint) END,
    deleted_at = CASE WHEN t.deleted_at > $2 THEN t.received_at ELSE t.deleted_at END,
    message_at = CASE WHEN t.message_at > $2 THEN t.received_at ELSE t.message_at END,
    started_at = CASE WHEN t.started_at > $2 THEN t.received_at ELSE t.started_at END,
    finished_at = CASE WHEN t.finished_at > $2 THEN t.received_at ELSE t.finished_at END
WHERE t.name = $1::text AND greatest(t.created_at, t.message_at) > $2
RETURNING t.name
