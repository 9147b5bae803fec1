-- lock_builds
-- Locks builds in order, and reads them with their repositories. Each change of a build or of its parts happens under
-- this lock.
SELECT
    b.id, b.repository_id, b.number, b.state, b.previous_told,
    CASE WHEN b.previous_told THEN b.previous_state ELSE p.state END AS previous_state,
    p.id AS previous_id, b.event_type, b.branch, b.commit::text AS commit,
    b.pull_request::text AS pull_request, b.notifications::text AS notifications, b.fast_finish, b.config_error,
    b.duration, b.created_at, b.received_at,
    b.started_at, b.finished_at, b.canceled_at, b.restarted_at, b.run_at, b.ever_bad, b.message_id, b.message_at,
    r.owner_name, r.name, r.private, r.url
FROM travis_builds AS b
LEFT JOIN travis_repositories AS r ON r.id = b.repository_id
LEFT JOIN LATERAL (
    SELECT p.id, p.state FROM travis_builds AS p
    WHERE NOT b.previous_told AND p.repository_id = b.repository_id AND p.branch = b.branch AND p.id < b.id
        AND p.event_type IN ('push', 'api', 'cron') AND p.state IN ('passed', 'failed', 'errored', 'canceled')
    ORDER BY p.id DESC LIMIT 1
) AS p ON true
WHERE b.id = ANY($1::bigint[])
ORDER BY b.id
FOR UPDATE OF b
