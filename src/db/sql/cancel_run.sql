-- cancel_run
UPDATE backfill_runs
SET state = 'cancelled', ended_at = now()
WHERE id = $1 AND state = 'running'
RETURNING id
