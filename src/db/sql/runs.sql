-- runs
SELECT id, parameters::text AS parameters, state, cursor, counts::text AS counts, unreadable::text AS unreadable, error,
    owner, owner IS NOT NULL AND heartbeat_at >= now() - make_interval(secs => $3) AS is_worked_on, invocations,
    started_at, ended_at
FROM backfill_runs
WHERE $1::text IS NULL OR id = $1
ORDER BY started_at DESC, id DESC
LIMIT $2
