-- delete_queueable
-- Deletes jobs that no longer wait to be started. Their builds are locked.
DELETE FROM travis_queueable_jobs WHERE job_id = ANY($1::bigint[])
