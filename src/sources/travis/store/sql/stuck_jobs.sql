-- stuck_jobs
-- Jobs that have not ended and have had no message since $1.
SELECT id, state, updated_at FROM travis_jobs
WHERE state IN ('queued', 'received', 'started') AND updated_at <= $1::timestamptz
ORDER BY updated_at, id
LIMIT $2::bigint
