-- next_series_projection
-- The first table whose rows from before series existed are not all settled, and how far they are. Its row is locked.
SELECT p.kind, p.position FROM series_projections AS p WHERE p.done_at IS NULL ORDER BY p.kind LIMIT 1 FOR UPDATE
