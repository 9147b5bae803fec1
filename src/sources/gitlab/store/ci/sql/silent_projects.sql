-- silent_projects
-- Projects to which commits were pushed since a time ($1), and of which no message about a pipeline is that new,
-- although there were some before. With the newest of these.
SELECT k.project, n.newest
FROM (
    SELECT DISTINCT p.repo AS project FROM gitlab_pushes AS p
    WHERE p.pushed_at >= $1::timestamptz AND p.pushed_at < $2::timestamptz
) AS k
CROSS JOIN LATERAL (
    SELECT greatest(q.version_at, q.message_at) AS newest FROM gitlab_pipelines AS q
    WHERE q.project = k.project
    ORDER BY q.version_at DESC
    LIMIT 1
) AS n
WHERE n.newest < $1
ORDER BY k.project
