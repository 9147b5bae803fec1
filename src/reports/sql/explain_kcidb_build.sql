-- explain_kcidb_build
SELECT 'build' AS part, t.message_at AS at, coalesce(t.status, 'no status') AS what, to_jsonb(t) AS "row"
FROM kcidb_builds AS t WHERE t.id = $1::text
UNION ALL
SELECT 'checkout', c.message_at, c.id, to_jsonb(c)
FROM kcidb_builds AS b JOIN kcidb_checkouts AS c ON c.id = b.checkout_id WHERE b.id = $1
UNION ALL
(SELECT 'test', x.message_at, concat_ws(' ', x.id, x.status), to_jsonb(x)
FROM kcidb_tests AS x WHERE x.build_id = $1 ORDER BY x.status IN ('FAIL', 'ERROR') DESC NULLS LAST, x.id LIMIT 20)
UNION ALL
SELECT 'incident', i.message_at, concat_ws(' ', i.issue_id, i.issue_version, i.present), to_jsonb(i)
FROM kcidb_incidents AS i WHERE i.build_id = $1
UNION ALL
SELECT 'to be looked at', NULL, 'for issues', to_jsonb(q) FROM kcidb_triage_queue AS q
WHERE q.kind = 'build' AND q.id = $1
