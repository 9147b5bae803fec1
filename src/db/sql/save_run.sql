-- save_run
UPDATE backfill_runs
SET cursor = $3, counts = $4::text::jsonb, unreadable = coalesce($5::text::jsonb, unreadable), heartbeat_at = now()
WHERE id = $1 AND owner = $2
RETURNING state
