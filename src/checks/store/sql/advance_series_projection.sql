-- advance_series_projection
-- Records the last key ($2) of a chunk of a table; without one, all rows are settled.
UPDATE series_projections AS p SET position = coalesce($2, p.position), rows = p.rows + $3,
    done_at = CASE WHEN $2::text[] IS NULL THEN now() END
WHERE p.kind = $1
