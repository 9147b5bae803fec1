-- kcidb_count_tests
-- Of builds: how many tests there are of each status; a status that is null is still to come.
SELECT t.build_id AS id, 'test' AS kind, t.status, count(*) AS count
FROM kcidb_tests AS t
WHERE t.build_id = ANY ($1::text[])
GROUP BY t.build_id, t.status
ORDER BY 1, 3
