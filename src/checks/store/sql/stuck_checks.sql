-- stuck_checks
-- Checks of some tables ($1) that have not ended (are in one of the states $2) by their time limit, as of a time ($3),
-- those that are stuck longest first; of each table at most $4.
SELECT f.kind, f.key
FROM unnest($1::text[]) AS k (kind)
CROSS JOIN LATERAL (
    SELECT c.kind, c.key, c.stuck_since FROM checks AS c
    WHERE c.kind = k.kind AND c.state = ANY ($2::text[]) AND c.stuck_since <= $3
    ORDER BY c.stuck_since, c.key
    LIMIT $4
) AS f
ORDER BY f.stuck_since, f.kind, f.key
