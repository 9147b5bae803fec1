-- follow_builds
-- Updates previous_state of the builds $1 and of the builds that follow them on their branch, unless their own message
-- gave it: it is the state of the newest earlier build that has ended; pull requests do not count. The builds and their
-- repositories are locked; a following build that is locked by another transaction is updated by that transaction.
WITH moved AS MATERIALIZED (
    SELECT b.id, b.repository_id, b.branch, b.event_type
    FROM travis_builds AS b
    WHERE b.id = ANY ($1::bigint[]) AND b.branch IS NOT NULL
), followers AS (
    SELECT m.id FROM moved AS m
    UNION
    SELECT f.id
    FROM moved AS m
    CROSS JOIN LATERAL (
        -- Up to the next build that has ended: later builds follow that one.
        SELECT min(n.id) AS id FROM travis_builds AS n
        WHERE n.repository_id = m.repository_id AND n.branch = m.branch AND n.id > m.id
            AND n.event_type IN ('push', 'api', 'cron') AND n.state IN ('passed', 'failed', 'errored', 'canceled')
    ) AS n
    CROSS JOIN LATERAL (
        SELECT f.id FROM travis_builds AS f
        WHERE f.repository_id = m.repository_id AND f.branch = m.branch AND f.id > m.id
            AND f.id <= coalesce(n.id, 9223372036854775807)
        OFFSET 0
    ) AS f
    WHERE m.event_type IN ('push', 'api', 'cron')
), locked AS MATERIALIZED (
    SELECT b.id, b.repository_id, b.branch FROM travis_builds AS b
    WHERE b.id IN (SELECT f.id FROM followers AS f) AND NOT b.previous_told
    ORDER BY b.id
    FOR UPDATE SKIP LOCKED
), found AS (
    SELECT l.id, (
        SELECT p.state FROM travis_builds AS p
        WHERE p.repository_id = l.repository_id AND p.branch = l.branch AND p.id < l.id
            AND p.event_type IN ('push', 'api', 'cron') AND p.state IN ('passed', 'failed', 'errored', 'canceled')
        ORDER BY p.id DESC LIMIT 1) AS state
    FROM locked AS l
)
UPDATE travis_builds AS t SET previous_state = f.state
FROM found AS f
WHERE t.id = f.id AND t.previous_state IS DISTINCT FROM f.state
RETURNING t.id
