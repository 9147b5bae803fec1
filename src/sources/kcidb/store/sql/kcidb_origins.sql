-- kcidb_origins
SELECT 'checkouts' AS list, t.id, t.origin FROM unnest($1::text[]) AS i (id) JOIN kcidb_checkouts AS t ON t.id = i.id
UNION ALL
SELECT 'builds', t.id, t.origin FROM unnest($2::text[]) AS i (id) JOIN kcidb_builds AS t ON t.id = i.id
UNION ALL
SELECT 'tests', t.id, t.origin FROM unnest($3::text[]) AS i (id) JOIN kcidb_tests AS t ON t.id = i.id
UNION ALL
SELECT 'issues', t.id, t.origin FROM unnest($4::text[]) AS i (id) JOIN kcidb_issues AS t ON t.id = i.id
UNION ALL
SELECT 'incidents', t.id, t.origin FROM unnest($5::text[]) AS i (id) JOIN kcidb_incidents AS t ON t.id = i.id
