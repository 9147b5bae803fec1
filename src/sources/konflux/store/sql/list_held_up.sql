-- list_held_up
-- Objects between two times ($1, $2) that should have gone on without an action of a user, newest first: builds without
-- a snapshot (of the last 1,000 that succeeded), snapshots with unfinished tests, snapshots that passed and are not
-- released, unfinished releases.
SELECT h.what, h.name, h.application, h.component, h.sha, h.since, h.why
FROM (
    (SELECT 'build without a snapshot' AS what, b.name, b.application, b.component, b.sha, b.finished_at AS since,
        NULL::text AS why
    FROM (
        SELECT * FROM pipelineruns AS k
        WHERE k.type = 'build' AND k.state = 'succeeded' AND k.created_at BETWEEN $1::timestamptz AND $2::timestamptz
        ORDER BY k.created_at DESC LIMIT 1000
    ) AS b
    WHERE b.finished_at < $2 AND b.snapshot IS NULL
        AND NOT EXISTS (SELECT FROM snapshots AS s WHERE s.source_plr = b.name)
    ORDER BY b.created_at DESC LIMIT $3)
    UNION ALL
    (SELECT CASE WHEN s.test_state = 'passed' THEN 'tests passed, not released' ELSE 'tests have not ended' END,
        s.name, s.application, s.component, s.sha, s.created_at, coalesce(s.release_message, s.test_message)
    FROM snapshots AS s
    WHERE s.deleted_at IS NULL AND s.created_at BETWEEN $1 AND $2
        AND (s.test_state = 'running' OR (s.test_state = 'passed' AND is_pushed(s.event, s.mr_iid, s.target_branch)
            AND (s.release_state IS NULL OR s.release_state = 'not_released')))
        AND NOT EXISTS (SELECT FROM releases AS r WHERE r.snapshot = s.name)
    ORDER BY s.created_at DESC LIMIT $3)
    UNION ALL
    (SELECT 'release has not ended', l.name, l.application, l.component, l.sha, l.created_at, l.message
    FROM releases AS l
    WHERE l.deleted_at IS NULL AND l.state IN ('pending', 'running') AND l.created_at BETWEEN $1 AND $2
    ORDER BY l.created_at DESC LIMIT $3)
) AS h
ORDER BY h.since DESC, h.what, h.name
LIMIT $3
