-- stale_jobs
-- Jobs that somebody should have said something about since.
SELECT id, state, updated_at FROM travis_jobs
WHERE state IN ('queued', 'received', 'started') AND updated_at <= $1::timestamptz
ORDER BY updated_at, id
LIMIT $2::bigint
