-- load_jobs
SELECT
    id, build_id, repository_id, stage_id, stage_number, number, state, allow_failure, queue, priority, worker, vm_size,
    created_at, queued_at, received_at, started_at, finished_at, canceled_at, restarted_at, restarted_by,
    attempt, run_at, run_message_id, run_uuid, run_count, previous_uuid, reset_count, first_reset_at, last_reset_at,
    message_id, message_at
FROM travis_jobs
WHERE build_id = ANY($1::bigint[])
ORDER BY id
