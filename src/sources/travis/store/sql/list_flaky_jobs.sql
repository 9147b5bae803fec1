-- list_flaky_jobs
-- Flaky jobs: a restart had another result on the same commit. By repository and number of the job in the build, of the
-- newest $3 restarts since $1.
WITH restarted AS MATERIALIZED (
    SELECT DISTINCT n.job_id
    FROM (
        SELECT v.job_id FROM travis_job_versions AS v WHERE v.message_at >= $1 ORDER BY v.message_at DESC LIMIT $3
    ) AS n
), runs AS (
    SELECT v.job_id, v.state FROM restarted AS n JOIN travis_job_versions AS v ON v.job_id = n.job_id
    UNION ALL
    SELECT j.id, j.state FROM restarted AS n JOIN travis_jobs AS j ON j.id = n.job_id
), jobs AS (
    SELECT r.job_id, count(*) AS runs, count(*) FILTER (WHERE r.state IN ('failed', 'errored')) AS failed
    FROM runs AS r
    WHERE r.state IN ('passed', 'failed', 'errored')
    GROUP BY r.job_id
    HAVING bool_or(r.state = 'passed') AND bool_or(r.state IN ('failed', 'errored'))
)
SELECT coalesce(r.owner_name || '/' || r.name, j.repository_id::text) AS repository,
    coalesce(split_part(j.number, '.', 2), '') AS job,
    count(*) AS jobs, sum(k.runs)::bigint AS runs, sum(k.failed)::bigint AS failed, max(j.build_id) AS build
FROM jobs AS k JOIN travis_jobs AS j ON j.id = k.job_id LEFT JOIN travis_repositories AS r ON r.id = j.repository_id
GROUP BY 1, 2
ORDER BY jobs DESC, failed DESC, 1, 2
LIMIT $2
