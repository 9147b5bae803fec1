-- kcidb_overdue
-- Stuck checkouts: unfinished, with builds, and without a message for $1 seconds; at most $2.
WITH overdue AS (
    SELECT c.id, l.latest_at + make_interval(secs => $1) AS since
    FROM kcidb_checkouts AS c
    CROSS JOIN LATERAL (
        SELECT greatest(c.received_at, max(b.received_at), max(t.received_at)) AS latest_at
        FROM kcidb_builds AS b LEFT JOIN kcidb_tests AS t ON t.build_id = b.id
        WHERE b.checkout_id = c.id
        HAVING count(*) > 0
    ) AS l
    WHERE c.received_at < now() - make_interval(secs => $1) AND l.latest_at < now() - make_interval(secs => $1)
        AND NOT EXISTS (
            SELECT FROM kcidb_milestones AS m WHERE m.checkout_id = c.id AND m.milestone = 'tests_finished'
        )
    ORDER BY c.id
    LIMIT $2
)
SELECT p.*, overdue.since
FROM overdue JOIN kcidb_progress AS p USING (id)
ORDER BY p.id
