-- next_projection
-- The first table whose old rows are not all projected, and how far they are. Its row is locked.
SELECT p.kind, p.position FROM check_projections AS p WHERE p.done_at IS NULL ORDER BY p.kind LIMIT 1 FOR UPDATE
