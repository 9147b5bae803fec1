-- fill_component_hosts
-- Sets the host of up to $2 rows that are older than the column: the host in their URL, else the host that is
-- configured first ($1).
WITH due AS (
    SELECT name FROM components WHERE host IS NULL AND git_project IS NOT NULL
    ORDER BY name LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE components AS t SET host = coalesce(host_of(t.git_url), $1::text)
FROM due AS d
WHERE t.name = d.name
RETURNING 1
