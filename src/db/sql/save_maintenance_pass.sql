-- save_maintenance_pass
-- An empty cursor ends the pass. Maintenance holds a lock, so no other process has written meanwhile.
INSERT INTO upkeep_passes AS t (task, cursor, finished_at)
SELECT p.task, p.cursor, CASE WHEN p.cursor = '' THEN now() END
FROM (VALUES ($1::text, $2::text)) AS p (task, cursor)
ORDER BY p.task
ON CONFLICT (task) DO UPDATE SET cursor = excluded.cursor, finished_at = coalesce(excluded.finished_at, t.finished_at)
WHERE t.cursor IS DISTINCT FROM excluded.cursor OR excluded.finished_at IS NOT NULL
