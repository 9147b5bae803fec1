-- kcidb_list_statuses
-- Counts the builds of checkouts by status, and finds the worst status of their tests ($2: statuses, worst first).
-- Tests are not counted, because a checkout can have very many: one test is searched for, status by status.
SELECT b.checkout_id AS id, 'build' AS kind, b.status, count(*) AS count
FROM kcidb_builds AS b
WHERE b.checkout_id = ANY ($1::text[])
GROUP BY b.checkout_id, b.status
UNION ALL
SELECT c.id, 'test', f.status, 1
FROM unnest($1::text[]) AS c (id)
CROSS JOIN LATERAL (
    SELECT s.status
    FROM unnest($2::text[]) WITH ORDINALITY AS s (status, rank)
    WHERE EXISTS (
        SELECT FROM kcidb_builds AS b
        CROSS JOIN LATERAL (SELECT FROM kcidb_tests AS t WHERE t.build_id = b.id AND t.status = s.status LIMIT 1) AS t
        WHERE b.checkout_id = c.id)
    ORDER BY s.rank
    LIMIT 1
) AS f
ORDER BY 1, 2, 3
