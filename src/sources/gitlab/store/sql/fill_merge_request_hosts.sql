-- fill_merge_request_hosts
-- Sets the host of up to $2 rows that are older than the column: the host in their URL or in that of another merge
-- request of the project, else the host that is configured first ($1). Rows of projects whose host only a message can
-- name are left out.
WITH due AS (
    SELECT project, iid FROM gitlab_merge_requests AS m WHERE m.host IS NULL
        AND NOT EXISTS (SELECT FROM gitlab_projects AS p WHERE p.host = '?' AND p.project_id = m.project_id)
    ORDER BY project, iid LIMIT $2 FOR UPDATE OF m SKIP LOCKED
)
UPDATE gitlab_merge_requests AS t SET host = coalesce(
    host_of(t.url),
    (
        SELECT host_of(m.url) FROM gitlab_merge_requests AS m
        WHERE m.project = t.project AND host_of(m.url) IS NOT NULL LIMIT 1
    ),
    $1::text
)
FROM due AS d
WHERE t.project = d.project AND t.iid = d.iid
RETURNING 1
