-- list_merge_requests_of_commit
-- Merge requests that have or had a commit as their head, newest first.
SELECT m.project, m.iid, m.state, m.title, m.draft, m.source_branch, m.target_branch, m.author, m.sha, m.labels, m.url,
    m.created_at, m.updated_at, m.merged_at, m.version_at, m.last_action, m.last_actor, m.message_id, m.message_at
FROM gitlab_merge_requests AS m
WHERE (m.project, m.iid) IN (SELECT v.project, v.iid FROM gitlab_mr_versions AS v WHERE v.sha = $1)
ORDER BY m.version_at DESC, m.project, m.iid
LIMIT 50
