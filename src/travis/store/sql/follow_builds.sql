-- follow_builds
-- What the branch of builds was before them, where their own message does not say it: the state of the newest build before that has
-- ended; pull requests are no part of that line. Of the builds ($1) themselves, and of those that follow them. The rows of the
-- builds are locked, and their repositories; a follower that another transaction has locked is left to it.
WITH moved AS MATERIALIZED (
    SELECT b.id, b.repository_id, b.branch, b.event_type FROM travis_builds AS b WHERE b.id = ANY ($1::bigint[]) AND b.branch IS NOT NULL
), followers AS (
    SELECT m.id FROM moved AS m
    UNION
    SELECT f.id
    FROM moved AS m
    CROSS JOIN LATERAL (
        -- Up to the next one that has ended: those after that follow it.
        SELECT min(n.id) AS id FROM travis_builds AS n
        WHERE n.repository_id = m.repository_id AND n.branch = m.branch AND n.id > m.id
            AND n.event_type IN ('push', 'api', 'cron') AND n.state IN ('passed', 'failed', 'errored', 'canceled')
    ) AS n
    CROSS JOIN LATERAL (
        SELECT f.id FROM travis_builds AS f
        WHERE f.repository_id = m.repository_id AND f.branch = m.branch AND f.id > m.id AND f.id <= coalesce(n.id, 9223372036854775807)
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
