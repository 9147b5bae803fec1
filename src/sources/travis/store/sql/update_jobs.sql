-- update_jobs
-- Updates jobs. Their builds are locked.
UPDATE travis_jobs AS t SET
    state = i.state, vm_size = i.vm_size, queued_at = i.queued_at, received_at = i.received_at,
    started_at = i.started_at, finished_at = i.finished_at, canceled_at = i.canceled_at, restarted_at = i.restarted_at,
    restarted_by = i.restarted_by, attempt = i.attempt, run_at = i.run_at, run_message_id = i.run_message_id,
    run_uuid = i.run_uuid, run_count = i.run_count, previous_uuid = i.previous_uuid, reset_count = i.reset_count,
    first_reset_at = i.first_reset_at, last_reset_at = i.last_reset_at, message_id = i.message_id,
    message_at = i.message_at, updated_at = now()
FROM (
    SELECT unnest($1::bigint[]) AS id, unnest($2::text[]) AS state, unnest($3::text[]) AS vm_size,
        unnest($4::timestamptz[]) AS queued_at, unnest($5::timestamptz[]) AS received_at,
        unnest($6::timestamptz[]) AS started_at, unnest($7::timestamptz[]) AS finished_at,
        unnest($8::timestamptz[]) AS canceled_at, unnest($9::timestamptz[]) AS restarted_at,
        unnest($10::bigint[]) AS restarted_by, unnest($11::integer[]) AS attempt, unnest($12::timestamptz[]) AS run_at,
        unnest($13::text[]) AS run_message_id, unnest($14::text[]) AS run_uuid, unnest($15::bigint[]) AS run_count,
        unnest($16::text[]) AS previous_uuid, unnest($17::integer[]) AS reset_count,
        unnest($18::timestamptz[]) AS first_reset_at, unnest($19::timestamptz[]) AS last_reset_at,
        unnest($20::text[]) AS message_id, unnest($21::timestamptz[]) AS message_at
) AS i
WHERE t.id = i.id
RETURNING t.id
