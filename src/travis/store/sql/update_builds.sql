-- update_builds
-- Builds that are locked.
UPDATE travis_builds AS t SET
    state = i.state, duration = i.duration, received_at = i.received_at, started_at = i.started_at,
    finished_at = i.finished_at, canceled_at = i.canceled_at, restarted_at = i.restarted_at, run_at = i.run_at,
    message_id = i.message_id, message_at = i.message_at, updated_at = now()
FROM unnest(
    $1::bigint[], $2::text[], $3::integer[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[],
    $8::timestamptz[], $9::timestamptz[], $10::text[], $11::timestamptz[]
) AS i (
    id, state, duration, received_at, started_at, finished_at, canceled_at, restarted_at, run_at, message_id, message_at
)
WHERE t.id = i.id
RETURNING t.id
