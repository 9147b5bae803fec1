-- project_jobs
-- The jobs that checks of jobs are made of, all attempts.
SELECT
    j.host, j.id, j.pipeline_id, j.project, j.name, j.check_name, j.status, j.allow_failure, j.ref, j.merge_ref, j.tag,
    j.sha, j.url, j.created_at, j.started_at, j.finished_at, j.version_at, j.ever_bad
FROM unnest($1::text[], $2::bigint[], $3::text[]) AS i (host, pipeline_id, check_name)
JOIN gitlab_jobs AS j ON j.host = i.host AND j.pipeline_id = i.pipeline_id AND j.check_name = i.check_name
ORDER BY j.host, j.pipeline_id, j.check_name, j.name, j.id
