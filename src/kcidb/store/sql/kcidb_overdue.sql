-- kcidb_overdue
-- $1 seconds, $2 at most: checkouts with builds that are not finished, and of which nothing has been heard for so long.
WITH overdue AS (
    SELECT c.id
    FROM kcidb_checkouts AS c
    WHERE c.received_at < now() - make_interval(secs => $1)
        AND NOT EXISTS (
            SELECT FROM kcidb_milestones AS m WHERE m.checkout_id = c.id AND m.milestone = 'tests_finished'
        )
        AND EXISTS (SELECT FROM kcidb_builds AS b WHERE b.checkout_id = c.id)
        AND NOT EXISTS (
            SELECT FROM kcidb_builds AS b
            WHERE b.checkout_id = c.id AND (
                b.received_at >= now() - make_interval(secs => $1)
                OR EXISTS (
                    SELECT FROM kcidb_tests AS t
                    WHERE t.build_id = b.id AND t.received_at >= now() - make_interval(secs => $1)
                )
            )
        )
    ORDER BY c.id
    LIMIT $2
)
SELECT p.*
FROM overdue JOIN kcidb_progress AS p USING (id)
ORDER BY p.id
