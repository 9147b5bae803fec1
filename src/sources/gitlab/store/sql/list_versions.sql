-- list_versions
-- Heads of a merge request, newest first.
SELECT v.sha, v.created_at, v.head_at IS NOT NULL AS was_head, v.message_id
FROM gitlab_mr_versions AS v
WHERE v.project = $1 AND v.iid = $2
ORDER BY v.created_at DESC, v.message_at DESC, v.sha
LIMIT 200
