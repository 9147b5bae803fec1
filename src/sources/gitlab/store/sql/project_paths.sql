-- project_paths
-- All paths of the named projects (by host and number, or by a present or former path) and of the projects that have or
-- had one of these paths.
WITH named AS (
    SELECT p.path FROM gitlab_projects AS p
    JOIN unnest($1::text[], $2::bigint[]) AS i (host, project_id) ON i.project_id = p.project_id AND i.host = p.host
    UNION SELECT unnest($3::text[])
), near AS (
    SELECT DISTINCT p.host, p.project_id FROM gitlab_projects AS p WHERE p.path IN (SELECT n.path FROM named AS n)
)
SELECT p.host, p.project_id, p.path, p.said_at, p.rank, p.is_current, p.is_owner
FROM near AS n JOIN gitlab_projects AS p ON p.host = n.host AND p.project_id = n.project_id
ORDER BY p.host, p.project_id, p.path
