-- list_merge_requests
-- Newest change first, after a position if given. The text search has no index, so it covers the first 10,000 rows that
-- match the other conditions.
SELECT m.project, m.iid, m.state, m.title, m.draft, m.source_branch, m.target_branch, m.author, m.sha, m.labels, m.url,
    m.created_at, m.updated_at, m.merged_at, m.version_at, m.last_action, m.last_actor, m.message_id, m.message_at
FROM (
    SELECT * FROM gitlab_merge_requests AS k
    WHERE k.deleted_at IS NULL
        AND ($1::text IS NULL OR k.project = $1)
        AND ($2::text IS NULL OR k.author = $2)
        AND ($3::text IS NULL OR k.state = $3)
        AND ($4::boolean IS NULL OR k.draft = $4)
        AND ($5::timestamptz IS NULL OR (k.state IN ('opened', 'locked') AND k.version_at < $5))
        AND ($7::timestamptz IS NULL OR (k.version_at, k.project, k.iid) < ($7, $8::text, $9::bigint))
    ORDER BY k.version_at DESC, k.project DESC, k.iid DESC
    LIMIT CASE WHEN $6::text IS NULL THEN $10::bigint ELSE 10000 END
) AS m
WHERE $6 IS NULL
    OR strpos(
        lower(concat_ws(' ', m.project || '!' || m.iid, m.title, m.source_branch, m.sha) COLLATE "default"),
        lower($6)) > 0
ORDER BY m.version_at DESC, m.project DESC, m.iid DESC
LIMIT $10
