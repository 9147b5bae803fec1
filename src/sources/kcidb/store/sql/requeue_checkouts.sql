-- requeue_checkouts
-- Checkouts of the last two weeks with a failed build or test.
SELECT c.id
FROM kcidb_checkouts AS c
CROSS JOIN kcidb_requeue AS r
WHERE c.id > $1
    AND coalesce(c.start_time, c.message_at, c.received_at) >= r.requested_at - interval '14 days'
    AND EXISTS (
        SELECT FROM kcidb_builds AS b
        WHERE b.checkout_id = c.id AND (
            b.status IN ('FAIL', 'ERROR')
            OR EXISTS (SELECT FROM kcidb_tests AS t WHERE t.build_id = b.id AND t.status IN ('FAIL', 'ERROR'))
        )
    )
ORDER BY c.id
LIMIT $2
