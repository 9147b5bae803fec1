-- kcidb_overdue
-- $1 seconds, $2 at most: checkouts with builds that are not finished, and of which nothing has been heard for so long.
WITH overdue AS (
    SELECT c.id, h.heard_at + make_interval(secs => $1) AS since
    FROM kcidb_checkouts AS c
    CROSS JOIN LATERAL (
        SELECT greatest(c.received_at, max(b.received_at), max(t.received_at)) AS heard_at
        FROM kcidb_builds AS b LEFT JOIN kcidb_tests AS t ON t.build_id = b.id
        WHERE b.checkout_id = c.id
        HAVING count(*) > 0
    ) AS h
    WHERE c.received_at < now() - make_interval(secs => $1) AND h.heard_at < now() - make_interval(secs => $1)
        AND NOT EXISTS (
            SELECT FROM kcidb_milestones AS m WHERE m.checkout_id = c.id AND m.milestone = 'tests_finished'
        )
    ORDER BY c.id
    LIMIT $2
)
SELECT p.*, overdue.since
FROM overdue JOIN kcidb_progress AS p USING (id)
ORDER BY p.id
