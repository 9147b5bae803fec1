-- known_merge_requests
-- Merge requests of one project: the open ones, or those with the given numbers.
SELECT
    project, iid, project_id, host, state, state_rank, title, draft, source_branch, target_branch, source_project_id,
    target_project_id, author_id, merge_commit_sha, labels, url, last_action, last_actor, created_at, updated_at,
    version_at, place, told, content, source, deleted_at, message_id, message_at, sha, head_claims, head_version_at,
    head_message_at, head_message_id, author, author_version_at, author_message_at, author_message_id, merged_at
FROM gitlab_merge_requests
WHERE project = $1 AND CASE
    WHEN $2::bigint[] IS NULL THEN state IN ('opened', 'locked') AND deleted_at IS NULL
    ELSE iid = ANY ($2)
END
ORDER BY iid
