-- fill_push_hosts
-- Sets the host of up to $2 rows that are older than the column: the host in their URL or in that of a merge request
-- of the project, else the host that is configured first ($1). Rows of projects whose host only a message can name are
-- left out.
WITH due AS (
    SELECT sha, repo, ref FROM gitlab_pushes AS k WHERE k.host IS NULL
        AND NOT EXISTS (SELECT FROM gitlab_projects AS p WHERE p.host = '?' AND p.project_id = k.project_id)
    ORDER BY sha, repo, ref LIMIT $2 FOR UPDATE OF k SKIP LOCKED
)
UPDATE gitlab_pushes AS t SET host = coalesce(
    host_of(t.url),
    (
        SELECT host_of(m.url) FROM gitlab_merge_requests AS m
        WHERE m.project = t.repo AND host_of(m.url) IS NOT NULL LIMIT 1
    ),
    $1::text
)
FROM due AS d
WHERE t.sha = d.sha AND t.repo = d.repo AND t.ref = d.ref
RETURNING 1
