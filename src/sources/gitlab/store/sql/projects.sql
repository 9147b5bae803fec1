-- projects
-- All projects with a stored merge request or push, or an open pipeline, the one with the oldest check first. A project
-- whose path another one has cannot be asked about.
SELECT k.project, max(k.project_id) AS project_id, max(k.page) AS page, c.checked_at, c.swept_at
FROM (
    SELECT project, max(project_id) AS project_id, max(url) AS page FROM gitlab_merge_requests GROUP BY project
    UNION ALL
    SELECT repo, max(project_id), max(url) FROM gitlab_pushes GROUP BY repo
    UNION ALL
    SELECT project, max(project_id), max(url) FROM gitlab_pipelines
    WHERE status NOT IN ('success', 'failed', 'canceled', 'skipped') AND deleted_at IS NULL
        AND project IS DISTINCT FROM host || ':' || project_id
    GROUP BY project
) AS k
LEFT JOIN reconcile_projects AS c USING (project)
GROUP BY k.project, c.checked_at, c.swept_at
ORDER BY c.checked_at NULLS FIRST, k.project
