-- kcidb_settle_progress
-- Progress of the checkouts that have not reached the last milestone, of changed objects: the builds $1 (also of
-- changed tests), the incidents $2 and the checkouts $3.
WITH builds AS (
    SELECT unnest($1::text[]) AS id
    UNION SELECT n.build_id FROM kcidb_incidents AS n WHERE n.id = ANY ($2::text[])
    UNION SELECT t.build_id FROM kcidb_incidents AS n JOIN kcidb_tests AS t ON t.id = n.test_id
        WHERE n.id = ANY ($2::text[])
), checkouts AS (
    SELECT unnest($3::text[]) AS id
    UNION SELECT b.checkout_id FROM builds JOIN kcidb_builds AS b USING (id)
)
SELECT p.*, EXISTS (
    SELECT FROM kcidb_milestones AS m WHERE m.checkout_id = p.id AND m.milestone = 'tests_finished' AND m.overdue
) AS overdue
FROM checkouts JOIN kcidb_progress AS p USING (id)
WHERE NOT EXISTS (
    SELECT FROM kcidb_milestones AS m WHERE m.checkout_id = checkouts.id AND m.milestone = 'ready_to_report'
)
ORDER BY p.id
