-- insert_versions
-- Stores runs that a restart ended.
INSERT INTO travis_job_versions (
    job_id, number, state, created_at, queued_at, received_at, started_at, finished_at, restarted_at, message_id,
    message_at
)
SELECT
    i.job_id, i.number, i.state, i.created_at, i.queued_at, i.received_at, i.started_at, i.finished_at, i.restarted_at,
    i.message_id, i.message_at
FROM (
    SELECT unnest($1::bigint[]) AS job_id, unnest($2::integer[]) AS number, unnest($3::text[]) AS state,
        unnest($4::timestamptz[]) AS created_at, unnest($5::timestamptz[]) AS queued_at,
        unnest($6::timestamptz[]) AS received_at, unnest($7::timestamptz[]) AS started_at,
        unnest($8::timestamptz[]) AS finished_at, unnest($9::timestamptz[]) AS restarted_at,
        unnest($10::text[]) AS message_id, unnest($11::timestamptz[]) AS message_at
) AS i
ORDER BY i.job_id, i.number
ON CONFLICT (job_id, number) DO NOTHING
