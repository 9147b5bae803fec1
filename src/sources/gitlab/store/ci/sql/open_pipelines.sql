-- open_pipelines
-- The condition on the status is that of the index gitlab_pipelines_open.
SELECT p.host, p.id, p.iid, p.project, p.project_id, p.name, p.status, p.detailed_status, p.source, p.ref, p.tag, p.sha,
    p.title, p.stages, p.url, p.mr_iid, p.mr_project_id, p.mr_source_branch, p.mr_target_branch, p.parent_project,
    p.parent_id, p.username, p.created_at, p.finished_at, p.content, p.message_id, p.message_at
FROM gitlab_pipelines AS p
WHERE p.project = $1 AND p.status NOT IN ('success', 'failed', 'canceled', 'skipped') AND p.deleted_at IS NULL
    AND greatest(p.version_at, p.message_at) < $2::timestamptz
    AND (p.status NOT IN ('manual', 'scheduled') OR p.asked_at IS NULL OR p.asked_at < $3::timestamptz)
ORDER BY p.asked_at NULLS FIRST, p.host, p.id
LIMIT $4
