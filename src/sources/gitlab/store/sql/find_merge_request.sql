-- find_merge_request
SELECT m.project, m.iid, m.state, m.title, m.draft, m.source_branch, m.target_branch, m.author, m.sha, m.labels, m.url,
    m.created_at, m.updated_at, m.merged_at, m.version_at, m.last_action, m.last_actor, m.message_id, m.message_at
FROM gitlab_merge_requests AS m
WHERE m.project = $1 AND m.iid = $2
