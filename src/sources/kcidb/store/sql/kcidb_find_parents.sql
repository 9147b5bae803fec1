-- kcidb_find_parents
-- The parents, transitively, of the tests $1, builds $2 and incidents $3. Parents may not be stored yet.
WITH tests AS (
    SELECT unnest($1::text[]) AS id
    UNION SELECT test_id FROM kcidb_incidents WHERE id = ANY ($3::text[])
), builds AS (
    SELECT unnest($2::text[]) AS id
    UNION SELECT build_id FROM kcidb_incidents WHERE id = ANY ($3::text[])
    UNION SELECT t.build_id FROM tests JOIN kcidb_tests AS t USING (id)
)
SELECT 0 AS kind, b.checkout_id AS id, 0::bigint AS version FROM builds JOIN kcidb_builds AS b USING (id)
UNION SELECT 1, id, 0 FROM builds WHERE id IS NOT NULL
UNION SELECT 2, id, 0 FROM tests WHERE id IS NOT NULL
UNION SELECT 3, issue_id, issue_version FROM kcidb_incidents WHERE id = ANY ($3::text[])
