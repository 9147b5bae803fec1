-- count_runs
-- Numbers of unfinished, stuck and failed runs and releases ($1: unfinished runs created before are stuck; $2: failures
-- since this time), and the time of the newest run.
SELECT
    (SELECT count(*) FROM pipelineruns WHERE rank = 0) AS unfinished,
    (SELECT count(*) FROM pipelineruns WHERE rank = 0 AND created_at < $1::timestamptz) AS stuck,
    (SELECT count(*) FROM pipelineruns
        WHERE state IN ('failed', 'timed_out') AND finished_at >= $2::timestamptz) AS failed,
    (SELECT count(*) FROM releases WHERE state = 'failed' AND created_at >= $2) AS failed_releases,
    (SELECT count(*) FROM releases WHERE state IN ('pending', 'running')) AS unfinished_releases,
    (SELECT max(created_at) FROM pipelineruns) AS newest
