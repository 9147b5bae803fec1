-- upsert_reconcile_projects
-- The later of two checks counts. A check without a sweep keeps the time of the last sweep.
INSERT INTO reconcile_projects AS t (project, checked_at, swept_at, problem)
SELECT i.project, i.checked_at, i.swept_at, i.problem
FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::text[]) AS i (project, checked_at, swept_at, problem)
ORDER BY i.project
ON CONFLICT (project) DO UPDATE SET
    checked_at = excluded.checked_at, swept_at = coalesce(excluded.swept_at, t.swept_at), problem = excluded.problem
WHERE t.checked_at < excluded.checked_at
