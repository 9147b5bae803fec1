-- repair_build
UPDATE buildkite_builds AS t SET
    event_at = CASE WHEN t.event_at > $2::timestamptz THEN t.received_at ELSE t.event_at END,
    message_at = CASE WHEN t.message_at > $2 THEN t.received_at ELSE t.message_at END,
    started_at = CASE WHEN t.started_at > $2 THEN t.received_at ELSE t.started_at END,
    failing_at = CASE WHEN t.failing_at > $2 THEN t.received_at ELSE t.failing_at END,
    finished_at = CASE WHEN t.finished_at > $2 THEN t.received_at ELSE t.finished_at END
WHERE (t.id = $1::text OR t.pipeline || '/' || t.number = $1)
    AND greatest(t.event_at, t.message_at, t.started_at, t.failing_at, t.finished_at) > $2
RETURNING t.id
