-- insert_jobs
-- Jobs of new builds.
INSERT INTO travis_jobs (
    id, build_id, repository_id, stage_id, stage_number, number, state, allow_failure, queue, priority, vm_size,
    created_at, queued_at, message_id, message_at
)
SELECT
    i.id, i.build_id, i.repository_id, i.stage_id, i.stage_number, i.number, i.state, i.allow_failure, i.queue,
    i.priority, i.vm_size, i.created_at, i.queued_at, i.message_id, i.message_at
FROM unnest(
    $1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::boolean[],
    $9::text[], $10::integer[], $11::text[], $12::timestamptz[], $13::timestamptz[], $14::text[], $15::timestamptz[]
) AS i (
    id, build_id, repository_id, stage_id, stage_number, number, state, allow_failure, queue, priority, vm_size,
    created_at, queued_at, message_id, message_at
)
ORDER BY i.id
ON CONFLICT (id) DO NOTHING
RETURNING id
