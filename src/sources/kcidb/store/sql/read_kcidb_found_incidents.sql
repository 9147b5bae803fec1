-- read_kcidb_found_incidents
-- Present incidents that expressions have found in the builds $1 and the tests $2.
SELECT n.id, n.misc ->> 'issue_regex' AS issue_regex
FROM kcidb_incidents AS n
WHERE (n.build_id = ANY ($1::text[]) OR n.test_id = ANY ($2::text[])) AND n.present AND n.misc ? 'issue_regex'
ORDER BY n.id
