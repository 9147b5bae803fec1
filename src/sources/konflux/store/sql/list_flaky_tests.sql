-- list_flaky_tests
-- Flaky tests, over the newest $3 runs since a time ($1): tests with at least 5 runs of which 20 % to 80 % failed
-- (konflux-ci/konflux-devlake-mcp), or tests that both failed and passed on the same commit.
WITH runs AS (
    SELECT r.component, r.scenario, r.sha,
        r.state IN ('failed', 'timed_out') OR coalesce(r.verdict IN ('failed', 'error'), false) AS failed
    FROM pipelineruns AS r
    WHERE r.created_at >= $1 AND r.type = 'test' AND r.state IN ('succeeded', 'failed', 'timed_out')
        AND r.component IS NOT NULL AND r.scenario IS NOT NULL
    ORDER BY r.created_at DESC
    LIMIT $3
), commits AS (
    SELECT r.component, r.scenario, count(*) AS runs, count(*) FILTER (WHERE r.failed) AS failed,
        r.sha IS NOT NULL AND bool_or(r.failed) AND NOT bool_and(r.failed) AS both
    FROM runs AS r
    GROUP BY r.component, r.scenario, r.sha
)
SELECT c.component, c.scenario, sum(c.runs)::bigint AS runs, sum(c.failed)::bigint AS failed,
    count(*) FILTER (WHERE c.both) AS commits_with_both
FROM commits AS c
GROUP BY c.component, c.scenario
HAVING count(*) FILTER (WHERE c.both) > 0
    OR (sum(c.runs) >= 5 AND sum(c.failed) BETWEEN 0.2 * sum(c.runs) AND 0.8 * sum(c.runs))
ORDER BY commits_with_both DESC, failed DESC, c.component, c.scenario
LIMIT $2
