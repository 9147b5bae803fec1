-- find_pipeline
-- state, commit: those of its check. mr: mr_iid, if that merge request is known.
SELECT p.host, p.id, p.iid, p.project, p.name, p.status, p.detailed_status, p.source, p.ref AS branch, p.tag, p.sha,
    c.sha AS commit, p.title, p.stages, p.url, p.mr_iid, m.iid AS mr, p.parent_project, p.parent_id, p.username,
    p.created_at, p.finished_at, p.version_at, p.deleted_at, p.ever_bad, p.message_id, p.message_at, c.state,
    EXISTS (SELECT FROM gitlab_pipelines AS f WHERE f.host = p.host AND f.id = p.parent_id) AS has_parent
FROM gitlab_pipelines AS p
LEFT JOIN checks AS c ON c.system = 'gitlab' AND c.kind = 'gitlab_pipelines' AND c.key = p.host || '/' || p.id
LEFT JOIN gitlab_merge_requests AS m ON m.project = p.project AND m.iid = p.mr_iid
    AND coalesce(p.mr_project_id, p.project_id) IS NOT DISTINCT FROM p.project_id
WHERE p.host = $1 AND p.id = $2::bigint
