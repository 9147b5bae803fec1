-- failed_checks
-- Checks of some tables ($1) in some states ($2) that changed last since a time ($3), the newest first; of each table
-- and state at most $4.
SELECT f.kind, f.key
FROM unnest($1::text[]) AS k (kind)
CROSS JOIN unnest($2::text[]) AS s (state)
CROSS JOIN LATERAL (
    SELECT c.kind, c.key, c.changed_at FROM checks AS c
    WHERE c.kind = k.kind AND c.state = s.state AND c.changed_at >= $3
    ORDER BY c.changed_at DESC, c.key
    LIMIT $4
) AS f
ORDER BY f.changed_at DESC, f.kind, f.key
