-- fill_component_hosts
-- Rows of before the host was kept, some at a time: by their address, else the host that is configured first ($1).
WITH due AS (
    SELECT name FROM components WHERE host IS NULL AND git_project IS NOT NULL ORDER BY name LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE components AS t SET host = coalesce(host_of(t.git_url), $1::text)
FROM due AS d
WHERE t.name = d.name
RETURNING 1
