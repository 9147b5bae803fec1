-- kcidb_count_tests
-- Counts the tests of builds by status; the status is null for tests without a result.
SELECT t.build_id AS id, 'test' AS kind, t.status, count(*) AS count
FROM kcidb_tests AS t
WHERE t.build_id = ANY ($1::text[])
GROUP BY t.build_id, t.status
ORDER BY 1, 3
