-- requeue_tests
SELECT t.id
FROM kcidb_tests AS t
CROSS JOIN kcidb_requeue AS r
WHERE t.id > $1
    AND t.status IN ('FAIL', 'ERROR')
    AND coalesce(t.start_time, t.message_at, t.received_at) >= r.requested_at - interval '14 days'
ORDER BY t.id
LIMIT $2
