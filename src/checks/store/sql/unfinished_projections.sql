-- unfinished_projections
-- Since when old rows are being projected, if not all are.
SELECT max(p.begun_at) AS begun_at FROM check_projections AS p WHERE p.done_at IS NULL
