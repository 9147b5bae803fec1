-- list_environments
-- Each environment of each project, in their order, after a position if given, with its last successful deployment and
-- the status of the last one. One step of the index for each: there may be many deployments. mr: the merge request
-- whose head or merge the deployed commit is. is_known: whether the commit has a page.
WITH RECURSIVE places AS (
    (
        SELECT d.project, d.environment FROM gitlab_deployments AS d
        WHERE (d.project, d.environment) > ($2::text, $3::text) AND ($1::text IS NULL OR d.project = $1)
        ORDER BY d.project, d.environment
        LIMIT 1
    )
    UNION ALL
    SELECT n.project, n.environment
    FROM places AS p
    CROSS JOIN LATERAL (
        SELECT d.project, d.environment FROM gitlab_deployments AS d
        WHERE (d.project, d.environment) > (p.project, p.environment) AND ($1 IS NULL OR d.project = $1)
        ORDER BY d.project, d.environment
        LIMIT 1
    ) AS n
)
SELECT p.project, p.environment, l.host, l.tier, l.status AS last_status, l.environment_url,
    coalesce(l.changed_at, l.message_at) AS last_at, s.id AS deployment, s.sha, s.ref AS branch, s.title, s.commit_url,
    s.job_url, s.username, coalesce(s.changed_at, s.message_at) AS since, coalesce(m.iid, v.iid) AS mr,
    EXISTS (SELECT FROM checks AS c WHERE c.sha = s.sha AND c.repo = s.project)
        OR EXISTS (SELECT FROM gitlab_pushes AS g WHERE g.sha = s.sha) AS is_known
FROM places AS p
CROSS JOIN LATERAL (
    SELECT d.* FROM gitlab_deployments AS d
    WHERE d.project = p.project AND d.environment = p.environment
    ORDER BY d.version_at DESC, d.id DESC
    LIMIT 1
) AS l
LEFT JOIN LATERAL (
    SELECT d.* FROM gitlab_deployments AS d
    WHERE d.project = p.project AND d.environment = p.environment AND d.status = 'success'
    ORDER BY d.version_at DESC, d.id DESC
    LIMIT 1
) AS s ON true
LEFT JOIN LATERAL (
    SELECT r.iid FROM gitlab_merge_requests AS r
    WHERE r.merge_commit_sha = s.sha AND r.project = s.project
    ORDER BY r.iid
    LIMIT 1
) AS m ON true
LEFT JOIN LATERAL (
    SELECT h.iid FROM gitlab_mr_versions AS h
    JOIN gitlab_merge_requests AS q ON q.project = h.project AND q.iid = h.iid
    WHERE h.sha = s.sha AND h.project = s.project
    ORDER BY h.iid
    LIMIT 1
) AS v ON true
WHERE $4::text IS NULL OR l.tier = $4
LIMIT $5
