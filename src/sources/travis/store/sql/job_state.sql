-- job_state
SELECT state FROM travis_jobs WHERE id = $1::bigint
