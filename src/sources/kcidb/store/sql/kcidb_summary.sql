-- kcidb_summary
-- Counts the builds and tests of the checkouts $1 by status; the status is null for those without a result.
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
