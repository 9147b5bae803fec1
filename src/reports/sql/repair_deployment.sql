-- repair_deployment
UPDATE gitlab_deployments AS t SET
    changed_at = CASE WHEN t.changed_at > $2::timestamptz THEN t.received_at ELSE t.changed_at END,
    version_at = CASE WHEN t.version_at > $2 THEN t.received_at ELSE t.version_at END,
    message_at = CASE WHEN t.message_at > $2 THEN t.received_at ELSE t.message_at END
WHERE t.host = split_part($1::text, '/', 1) AND t.id = substr($1, strpos($1, '/') + 1)
    AND greatest(t.changed_at, t.version_at, t.message_at) > $2
RETURNING t.id
