-- kcidb_settle_progress
-- $1 builds, $2 tests, $3 incidents, $4 checkouts that changed: how far their checkouts are that are not done yet.
WITH builds AS (
    SELECT unnest($1::text[]) AS id
    UNION SELECT t.build_id FROM kcidb_tests AS t WHERE t.id = ANY ($2::text[])
    UNION SELECT n.build_id FROM kcidb_incidents AS n WHERE n.id = ANY ($3::text[])
    UNION SELECT t.build_id FROM kcidb_incidents AS n JOIN kcidb_tests AS t ON t.id = n.test_id
        WHERE n.id = ANY ($3::text[])
), checkouts AS (
    SELECT unnest($4::text[]) AS id
    UNION SELECT b.checkout_id FROM builds JOIN kcidb_builds AS b USING (id)
)
SELECT p.*
FROM checkouts JOIN kcidb_progress AS p USING (id)
WHERE NOT EXISTS (
    SELECT FROM kcidb_milestones AS m WHERE m.checkout_id = checkouts.id AND m.milestone = 'ready_to_report'
)
ORDER BY p.id
