-- forget_projects
-- Deletes projects of unknown host that are now stored with their host.
DELETE FROM gitlab_projects AS t USING unnest($1::text[], $2::bigint[]) AS i (host, project_id)
WHERE t.host = i.host AND t.project_id = i.project_id
