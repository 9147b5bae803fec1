-- kcidb_list_statuses
-- Of checkouts: how many builds there are of each status, and which statuses tests have. Tests are not counted, there may be
-- very many: for each status one is looked for.
SELECT b.checkout_id AS id, 'build' AS kind, b.status, count(*) AS count
FROM kcidb_builds AS b
WHERE b.checkout_id = ANY ($1::text[])
GROUP BY b.checkout_id, b.status
UNION ALL
SELECT c.id, 'test', s.status, f.found
FROM unnest($1::text[]) AS c (id)
CROSS JOIN unnest($2::text[]) AS s (status)
CROSS JOIN LATERAL (
    SELECT 1::bigint AS found
    FROM kcidb_builds AS b
    CROSS JOIN LATERAL (SELECT FROM kcidb_tests AS t WHERE t.build_id = b.id AND t.status = s.status LIMIT 1) AS t
    WHERE b.checkout_id = c.id
    LIMIT 1
) AS f
ORDER BY 1, 2, 3
