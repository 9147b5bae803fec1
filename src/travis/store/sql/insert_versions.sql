-- insert_versions
-- Runs that a restart ended.
INSERT INTO travis_job_versions (
    job_id, number, state, created_at, queued_at, received_at, started_at, finished_at, restarted_at, message_id, message_at
)
SELECT
    i.job_id, i.number, i.state, i.created_at, i.queued_at, i.received_at, i.started_at, i.finished_at, i.restarted_at,
    i.message_id, i.message_at
FROM unnest(
    $1::bigint[], $2::integer[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[],
    $8::timestamptz[], $9::timestamptz[], $10::text[], $11::timestamptz[]
) AS i (
    job_id, number, state, created_at, queued_at, received_at, started_at, finished_at, restarted_at, message_id, message_at
)
ORDER BY i.job_id, i.number
ON CONFLICT (job_id, number) DO NOTHING
