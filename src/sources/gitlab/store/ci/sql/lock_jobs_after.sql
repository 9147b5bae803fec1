-- lock_jobs_after
-- The next names of checks of jobs, in the order of their keys. Their jobs are locked until the end of the transaction.
WITH locked AS MATERIALIZED (
    SELECT j.host, j.pipeline_id, j.check_name
    FROM gitlab_jobs AS j
    WHERE (j.host, j.pipeline_id, j.check_name) > ($1, $2::bigint, $3)
    ORDER BY j.host, j.pipeline_id, j.check_name
    LIMIT $4
    FOR NO KEY UPDATE
)
SELECT DISTINCT l.host, l.pipeline_id, l.check_name
FROM locked AS l
ORDER BY l.host, l.pipeline_id, l.check_name
