-- kcidb_find_progress
-- Progress of a checkout: counts of builds, tests and failures. The view kcidb_progress, which decides about
-- milestones, counts builds only.
SELECT
    count(*) AS builds,
    count(*) FILTER (WHERE b.status IS NULL AND NOT t.tested) AS builds_running,
    count(*) FILTER (WHERE b.status = 'PASS' AND NOT t.planned) AS builds_unplanned,
    coalesce(sum(t.running), 0)::bigint AS tests_running,
    coalesce(sum(t.untriaged), 0)::bigint + count(*) FILTER (
        WHERE b.status IN ('FAIL', 'ERROR') AND b.misc #>> '{actions,last_triaged_at}' IS NULL
            AND NOT EXISTS (SELECT FROM kcidb_incidents AS n WHERE n.build_id = b.id AND n.present IS NOT NULL)
    ) AS untriaged
FROM kcidb_builds AS b
CROSS JOIN LATERAL (
    SELECT count(*) > 0 AS planned, count(k.status) > 0 AS tested, count(*) FILTER (WHERE k.status IS NULL) AS running,
        count(*) FILTER (
            WHERE k.status IN ('FAIL', 'ERROR') AND k.misc #>> '{actions,last_triaged_at}' IS NULL
                AND NOT EXISTS (SELECT FROM kcidb_incidents AS n WHERE n.test_id = k.id AND n.present IS NOT NULL)
        ) AS untriaged
    FROM kcidb_tests AS k WHERE k.build_id = b.id
) AS t
WHERE b.checkout_id = $1::text
