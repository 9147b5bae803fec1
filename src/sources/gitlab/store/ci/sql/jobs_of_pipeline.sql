-- jobs_of_pipeline
-- What failed first: newest attempts that failed and may not fail, then the others by number. At most $3.
SELECT j.id, j.stage, j.name, j.status, j.allow_failure, j.failure_reason, j.environment, j.url, j.username,
    j.created_at, j.started_at, j.finished_at,
    row_number() OVER (PARTITION BY j.stage, j.name ORDER BY j.id DESC) > 1 AS is_retried
FROM gitlab_jobs AS j
WHERE j.host = $1 AND j.pipeline_id = $2::bigint
ORDER BY is_retried, j.status <> 'failed' OR j.allow_failure, j.id
LIMIT $3
