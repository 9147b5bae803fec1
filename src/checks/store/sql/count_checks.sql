-- count_checks
-- Numbers of the checks of some tables ($1): those in states $2 and $3 that changed last since $6; those that have not
-- ended (states $4), and of these the ones that are stuck as of $7; and when one changed last ($5: all states).
SELECT k.kind, n.failed, n.passed, n.unfinished, n.stuck, l.newest
FROM unnest($1::text[]) AS k (kind)
CROSS JOIN LATERAL (SELECT
    (SELECT count(*) FROM checks AS c
        WHERE c.kind = k.kind AND c.state = ANY ($2::text[]) AND c.changed_at >= $6::timestamptz) AS failed,
    (SELECT count(*) FROM checks AS c
        WHERE c.kind = k.kind AND c.state = ANY ($3::text[]) AND c.changed_at >= $6) AS passed,
    (SELECT count(*) FROM checks AS c WHERE c.kind = k.kind AND c.state = ANY ($4::text[])) AS unfinished,
    (SELECT count(*) FROM checks AS c
        WHERE c.kind = k.kind AND c.state = ANY ($4) AND c.stuck_since <= $7::timestamptz) AS stuck
) AS n
CROSS JOIN LATERAL (
    SELECT max(f.changed_at) AS newest
    FROM unnest($5::text[]) AS s (state)
    CROSS JOIN LATERAL (
        SELECT c.changed_at FROM checks AS c
        WHERE c.kind = k.kind AND c.state = s.state
        ORDER BY c.changed_at DESC
        LIMIT 1
    ) AS f
) AS l
