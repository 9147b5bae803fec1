-- count_runs
-- What runs, what should have ended, what failed since a time, and how new it all is.
SELECT
    (SELECT count(*) FROM pipelineruns WHERE rank = 0) AS unfinished,
    (SELECT count(*) FROM pipelineruns WHERE rank = 0 AND created_at < $1::timestamptz) AS stuck,
    (SELECT count(*) FROM pipelineruns WHERE state IN ('failed', 'timed_out') AND finished_at >= $2::timestamptz) AS failed,
    (SELECT count(*) FROM releases WHERE state = 'failed' AND created_at >= $2) AS failed_releases,
    (SELECT count(*) FROM releases WHERE state IN ('pending', 'running')) AS unfinished_releases,
    (SELECT max(created_at) FROM pipelineruns) AS newest
