-- move_jobs
-- The jobs of projects that have another path now, with that path.
UPDATE gitlab_jobs AS t SET project = i.path
FROM unnest($1::text[], $2::bigint[], $3::text[]) AS i (host, project_id, path)
WHERE t.host = i.host AND t.project_id = i.project_id AND t.project <> i.path
RETURNING t.host, t.pipeline_id, t.check_name
