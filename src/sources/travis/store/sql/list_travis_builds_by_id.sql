-- list_travis_builds_by_id
SELECT b.id, b.repository_id, r.owner_name || '/' || r.name AS repository, b.number, b.state, b.previous_state,
    b.event_type, b.branch, b.commit ->> 'sha' AS sha, split_part(b.commit ->> 'message', E'\n', 1) AS title,
    b.pull_request ->> 'number' AS pull_request, b.duration, b.created_at, b.started_at, b.finished_at, b.canceled_at,
    b.restarted_at, b.message_id, b.message_at
FROM travis_builds AS b LEFT JOIN travis_repositories AS r ON r.id = b.repository_id
WHERE b.id = ANY ($1::bigint[])
