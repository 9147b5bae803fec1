-- list_merge_requests_oldest
-- Oldest change first, after a key if given.
SELECT m.project, m.iid, m.state, m.title, m.draft, m.source_branch, m.target_branch, m.author, m.sha, m.labels, m.url,
    m.created_at, m.updated_at, m.merged_at, m.version_at, m.last_action, m.last_actor, m.message_id, m.message_at
FROM gitlab_merge_requests AS m
WHERE m.deleted_at IS NULL
    AND ($1::text IS NULL OR m.project = $1)
    AND ($2::text IS NULL OR m.author = $2)
    AND ($3::text IS NULL OR m.state = $3)
    AND ($4::boolean IS NULL OR m.draft = $4)
    AND ($5::timestamptz IS NULL OR (m.state IN ('opened', 'locked') AND m.version_at < $5))
    AND ($6::text IS NULL OR strpos(
        lower(concat_ws(' ', m.project || '!' || m.iid, m.title, m.source_branch, m.sha)), lower($6)) > 0)
    AND ($7::timestamptz IS NULL OR (m.version_at, m.project, m.iid) > ($7, $8::text, $9::bigint))
ORDER BY m.version_at, m.project, m.iid
LIMIT $10
