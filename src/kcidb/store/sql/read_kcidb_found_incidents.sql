-- read_kcidb_found_incidents
-- $1 builds, $2 tests: what expressions have found in them, as far as it stands.
SELECT n.id, n.misc ->> 'issue_regex' AS issue_regex
FROM kcidb_incidents AS n
WHERE (n.build_id = ANY ($1::text[]) OR n.test_id = ANY ($2::text[])) AND n.present AND n.misc ? 'issue_regex'
ORDER BY n.id
