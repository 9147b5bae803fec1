-- count_buildkite_builds
-- $1: finished builds count since this time; $2: an unfinished build without an event since this time is stuck.
SELECT
    count(*) FILTER (WHERE b.state = 'passed') AS passed,
    count(*) FILTER (WHERE b.state IN ('failed', 'waiting_failed')) AS failed,
    count(*) FILTER (WHERE b.is_under_way) AS running,
    count(*) FILTER (WHERE b.is_under_way AND b.event_at < $2::timestamptz) AS stuck,
    (SELECT max(n.event_at) FROM buildkite_builds AS n) AS newest
FROM (
    SELECT b.state, b.event_at, false AS is_under_way FROM buildkite_builds AS b
    WHERE b.event_at >= $1::timestamptz AND b.state IN ('passed', 'failed', 'waiting_failed')
    UNION ALL
    SELECT b.state, b.event_at, true FROM buildkite_builds AS b
    WHERE b.state IN (
        'creating', 'scheduled', 'waiting', 'started', 'running', 'failing', 'started_failing', 'canceling'
    )
) AS b
