-- explain_kcidb_test
SELECT 'test' AS part, t.message_at AS at, concat_ws(' ', t.path, coalesce(t.status, 'no status')) AS what,
    to_jsonb(t) AS "row"
FROM kcidb_tests AS t WHERE t.id = $1::text
UNION ALL
SELECT 'build', b.message_at, concat_ws(' ', b.id, b.status), to_jsonb(b)
FROM kcidb_tests AS t JOIN kcidb_builds AS b ON b.id = t.build_id WHERE t.id = $1
UNION ALL
SELECT 'incident', i.message_at, concat_ws(' ', i.issue_id, i.issue_version, i.present), to_jsonb(i)
FROM kcidb_incidents AS i WHERE i.test_id = $1
UNION ALL
SELECT 'to be looked at', NULL, 'for issues', to_jsonb(q) FROM kcidb_triage_queue AS q
WHERE q.kind = 'test' AND q.id = $1
