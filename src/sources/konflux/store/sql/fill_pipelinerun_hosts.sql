-- fill_pipelinerun_hosts
-- Sets the host of up to $2 rows that are older than the column: the host in the URL of a Component of the same
-- project, else the host that is configured first ($1).
WITH due AS (
    SELECT name FROM pipelineruns WHERE host IS NULL AND project IS NOT NULL
    ORDER BY name LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE pipelineruns AS t SET host = coalesce(
    (
        SELECT host_of(c.git_url) FROM components AS c
        WHERE c.git_project = t.project AND host_of(c.git_url) IS NOT NULL LIMIT 1
    ),
    $1::text
)
FROM due AS d
WHERE t.name = d.name
RETURNING t.name
