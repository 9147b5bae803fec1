-- repair_mr_versions
WITH parameters AS (
    SELECT split_part($1::text, '!', 1) AS project,
        CASE WHEN split_part($1, '!', 2) ~ '^[0-9]{1,18}$' THEN split_part($1, '!', 2)::bigint END AS iid
)
UPDATE gitlab_mr_versions AS t SET
    head_at = CASE WHEN t.head_at > $2::timestamptz THEN t.received_at ELSE t.head_at END,
    head_message_at = CASE WHEN t.head_message_at > $2 THEN t.received_at ELSE t.head_message_at END,
    seen_at = CASE WHEN t.seen_at > $2 THEN t.received_at ELSE t.seen_at END,
    seen_message_at = CASE WHEN t.seen_message_at > $2 THEN t.received_at ELSE t.seen_message_at END
FROM parameters AS a
WHERE t.project = a.project AND t.iid = a.iid
    AND greatest(t.head_at, t.head_message_at, t.seen_at, t.seen_message_at) > $2
RETURNING t.sha
