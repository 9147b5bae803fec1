-- insert_jobs
-- Inserts the jobs of new builds.
INSERT INTO travis_jobs (
    id, build_id, repository_id, stage_id, stage_number, number, state, allow_failure, queue, priority, vm_size,
    created_at, queued_at, message_id, message_at
)
SELECT
    i.id, i.build_id, i.repository_id, i.stage_id, i.stage_number, i.number, i.state, i.allow_failure, i.queue,
    i.priority, i.vm_size, i.created_at, i.queued_at, i.message_id, i.message_at
FROM (
    SELECT unnest($1::bigint[]) AS id, unnest($2::bigint[]) AS build_id, unnest($3::bigint[]) AS repository_id,
        unnest($4::bigint[]) AS stage_id, unnest($5::text[]) AS stage_number, unnest($6::text[]) AS number,
        unnest($7::text[]) AS state, unnest($8::boolean[]) AS allow_failure, unnest($9::text[]) AS queue,
        unnest($10::integer[]) AS priority, unnest($11::text[]) AS vm_size, unnest($12::timestamptz[]) AS created_at,
        unnest($13::timestamptz[]) AS queued_at, unnest($14::text[]) AS message_id,
        unnest($15::timestamptz[]) AS message_at
) AS i
ORDER BY i.id
ON CONFLICT (id) DO NOTHING
RETURNING id
