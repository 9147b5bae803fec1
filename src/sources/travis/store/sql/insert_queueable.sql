-- insert_queueable
-- Inserts jobs that now wait to be started.
INSERT INTO travis_queueable_jobs (job_id, build_id)
SELECT i.job_id, i.build_id
FROM unnest($1::bigint[], $2::bigint[]) AS i (job_id, build_id)
ORDER BY i.job_id
ON CONFLICT (job_id) DO NOTHING
