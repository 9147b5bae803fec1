-- repair_job
UPDATE gitlab_jobs AS t SET
    created_at = CASE WHEN t.created_at > $2::timestamptz THEN t.received_at ELSE t.created_at END,
    started_at = CASE WHEN t.started_at > $2 THEN t.received_at ELSE t.started_at END,
    finished_at = CASE WHEN t.finished_at > $2 THEN t.received_at ELSE t.finished_at END,
    version_at = CASE WHEN t.version_at > $2 THEN t.received_at ELSE t.version_at END,
    message_at = CASE WHEN t.message_at > $2 THEN t.received_at ELSE t.message_at END,
    said = jsonb_build_object(t.status, '- ' || t.message_id)
WHERE t.host = split_part($1::text, '/', 1)
    AND t.id = CASE WHEN split_part($1, '/', 2) ~ '^[0-9]{1,18}$' THEN split_part($1, '/', 2)::bigint END
    AND greatest(t.created_at, t.started_at, t.finished_at, t.version_at, t.message_at) > $2
RETURNING t.id
