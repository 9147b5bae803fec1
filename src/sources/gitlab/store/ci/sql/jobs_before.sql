-- jobs_before
-- The pipelines and the names of checks of jobs, before they are written.
SELECT j.host, j.id, j.pipeline_id, j.check_name
FROM unnest($1::text[], $2::bigint[]) AS i (host, id)
JOIN gitlab_jobs AS j ON j.host = i.host AND j.id = i.id
