-- kcidb_find_children
-- The children, transitively, of the builds $1, checkouts $2, tests $3, and issues $4 in their versions $5.
WITH builds AS (
    SELECT unnest($1::text[]) AS id
    UNION SELECT id FROM kcidb_builds WHERE checkout_id = ANY ($2::text[])
), tests AS (
    SELECT unnest($3::text[]) AS id
    UNION SELECT t.id FROM builds AS b JOIN kcidb_tests AS t ON t.build_id = b.id
)
SELECT 1 AS kind, id, 0::bigint AS version FROM builds
UNION SELECT 2, id, 0 FROM tests
UNION SELECT 4, n.id, 0 FROM builds AS b JOIN kcidb_incidents AS n ON n.build_id = b.id
UNION SELECT 4, n.id, 0 FROM tests AS t JOIN kcidb_incidents AS n ON n.test_id = t.id
UNION SELECT 4, n.id, 0 FROM unnest($4::text[], $5::bigint[]) AS i (id, version)
    JOIN kcidb_incidents AS n ON n.issue_id = i.id AND n.issue_version = i.version
