-- count_travis_builds
-- Counts builds that ended since $1, unfinished ones, and stuck ones: unfinished without a message since $2.
SELECT
    count(*) FILTER (WHERE b.state = 'passed') AS passed,
    count(*) FILTER (WHERE b.state IN ('failed', 'errored')) AS failed,
    count(*) FILTER (WHERE b.is_under_way) AS running,
    count(*) FILTER (WHERE b.is_under_way AND b.message_at < $2::timestamptz) AS stuck,
    (SELECT max(n.message_at) FROM travis_builds AS n) AS newest
FROM (
    SELECT b.state, b.message_at, false AS is_under_way FROM travis_builds AS b
    WHERE b.message_at >= $1::timestamptz AND b.state IN ('passed', 'failed', 'errored')
    UNION ALL
    SELECT b.state, b.message_at, true FROM travis_builds AS b
    WHERE b.state IN ('created', 'queued', 'received', 'started')
) AS b
