-- repair_merge_request
-- An answer of GitLab has the time of its last change as version, which may be long ago: it must be newer than the row.
WITH parameters AS (
    SELECT split_part($1::text, '!', 1) AS project,
        CASE WHEN split_part($1, '!', 2) ~ '^[0-9]{1,18}$' THEN split_part($1, '!', 2)::bigint END AS iid
)
UPDATE gitlab_merge_requests AS t SET
    version_at = CASE WHEN t.version_at > $2::timestamptz THEN '1970-01-01Z' ELSE t.version_at END,
    head_version_at = CASE WHEN t.head_version_at > $2 THEN '1970-01-01Z' ELSE t.head_version_at END,
    author_version_at = CASE WHEN t.author_version_at > $2 THEN '1970-01-01Z' ELSE t.author_version_at END,
    message_at = CASE WHEN t.message_at > $2 THEN t.received_at ELSE t.message_at END,
    head_message_at = CASE WHEN t.head_message_at > $2 THEN t.received_at ELSE t.head_message_at END,
    author_message_at = CASE WHEN t.author_message_at > $2 THEN t.received_at ELSE t.author_message_at END,
    created_at = CASE WHEN t.created_at > $2 THEN t.received_at ELSE t.created_at END,
    updated_at = CASE WHEN t.updated_at > $2 THEN t.received_at ELSE t.updated_at END,
    merged_at = CASE WHEN t.merged_at > $2 THEN t.received_at ELSE t.merged_at END
FROM parameters AS a
WHERE t.project = a.project AND t.iid = a.iid
    AND greatest(t.version_at, t.head_version_at, t.author_version_at, t.message_at, t.head_message_at,
        t.author_message_at, t.updated_at) > $2
RETURNING t.project
