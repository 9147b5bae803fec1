-- project_checks
-- What the checks of builds are made of. The builds and their repositories are locked.
SELECT
    b.id, b.repository_id, b.number, b.state, b.previous_state, b.event_type, b.branch,
    (b.commit - 'message')::text AS commit, b.pull_request::text AS pull_request, NULL::text AS notifications,
    b.fast_finish, b.config_error, b.duration, b.created_at, b.received_at, b.started_at, b.finished_at, b.canceled_at,
    b.restarted_at, b.run_at, b.ever_bad, b.message_id, b.message_at, r.owner_name, r.name, r.private, r.url
FROM travis_builds AS b
LEFT JOIN travis_repositories AS r ON r.id = b.repository_id
WHERE b.id = ANY ($1::bigint[])
ORDER BY b.id
