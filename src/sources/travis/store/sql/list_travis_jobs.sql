-- list_travis_jobs
-- Jobs of a build with their stages, in the order of the stages.
SELECT j.id, j.number, j.state, j.allow_failure, j.queue, j.worker, s.number AS stage_number, s.name AS stage,
    s.state AS stage_state, j.attempt, j.reset_count, j.created_at, j.queued_at, j.received_at, j.started_at,
    j.finished_at, j.message_id, j.message_at
FROM travis_jobs AS j LEFT JOIN travis_stages AS s ON s.id = j.stage_id
WHERE j.build_id = $1
ORDER BY s.number, j.id
