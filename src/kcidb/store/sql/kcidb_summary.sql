-- kcidb_summary
-- $1 checkouts: how many builds and tests there are of each status; a status that is null is still to come.
SELECT b.checkout_id AS id, 'build' AS kind, b.status, count(*) AS count
FROM kcidb_builds AS b
WHERE b.checkout_id = ANY ($1::text[])
GROUP BY b.checkout_id, b.status
UNION ALL
SELECT b.checkout_id, 'test', t.status, count(*)
FROM kcidb_builds AS b JOIN kcidb_tests AS t ON t.build_id = b.id
WHERE b.checkout_id = ANY ($1::text[])
GROUP BY b.checkout_id, t.status
ORDER BY 1, 2, 3
