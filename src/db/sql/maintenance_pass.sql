-- maintenance_pass
-- The cursor of the pass of a task; no row when the last pass ended less than a day ago.
SELECT coalesce(p.cursor, '') AS cursor
FROM (VALUES ($1::text)) AS t (task) LEFT JOIN upkeep_passes AS p ON p.task = t.task
WHERE coalesce(p.cursor <> '' OR p.finished_at IS NULL OR p.finished_at < now() - interval '1 day', true)
