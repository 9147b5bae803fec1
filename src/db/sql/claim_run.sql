-- claim_run
-- The lease: no other owner has it, or its heartbeat is too old.
UPDATE backfill_runs
SET state = 'running', ended_at = NULL, error = NULL, owner = $2, heartbeat_at = now(), invocations = invocations + 1
WHERE id = $1
    AND state = ANY ($3::text[])
    AND (owner IS NULL OR owner = $2 OR heartbeat_at < now() - make_interval(secs => $4))
RETURNING id
