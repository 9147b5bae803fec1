-- update_jobs
-- Jobs of builds that are locked.
UPDATE travis_jobs AS t SET
    state = i.state, vm_size = i.vm_size, queued_at = i.queued_at, received_at = i.received_at,
    started_at = i.started_at, finished_at = i.finished_at, canceled_at = i.canceled_at, restarted_at = i.restarted_at,
    restarted_by = i.restarted_by, attempt = i.attempt, run_at = i.run_at, run_message_id = i.run_message_id,
    run_uuid = i.run_uuid, run_count = i.run_count, previous_uuid = i.previous_uuid, reset_count = i.reset_count,
    first_reset_at = i.first_reset_at, last_reset_at = i.last_reset_at, message_id = i.message_id,
    message_at = i.message_at, updated_at = now()
FROM unnest(
    $1::bigint[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[],
    $8::timestamptz[], $9::timestamptz[], $10::bigint[], $11::integer[], $12::timestamptz[], $13::text[], $14::text[],
    $15::bigint[], $16::text[], $17::integer[], $18::timestamptz[], $19::timestamptz[], $20::text[], $21::timestamptz[]
) AS i (
    id, state, vm_size, queued_at, received_at, started_at, finished_at, canceled_at, restarted_at, restarted_by,
    attempt, run_at, run_message_id, run_uuid, run_count, previous_uuid, reset_count, first_reset_at, last_reset_at,
    message_id, message_at
)
WHERE t.id = i.id
RETURNING t.id
