-- end_run
-- A run that was cancelled meanwhile stays cancelled.
UPDATE backfill_runs
SET owner = NULL,
    state = CASE WHEN state = 'running' THEN coalesce($3, state) ELSE state END,
    error = CASE WHEN state = 'running' THEN $4 ELSE error END,
    ended_at = CASE WHEN state = 'running' AND $3 IS NOT NULL THEN now() ELSE ended_at END
WHERE id = $1 AND owner = $2
RETURNING state
