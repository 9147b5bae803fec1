-- explain_checkout
SELECT 'checkout' AS part, t.message_at AS at,
    concat_ws(' ', t.tree_name, t.git_commit_name, CASE t.valid WHEN true THEN 'valid' WHEN false THEN 'not valid' END)
        AS what,
    to_jsonb(t) AS "row"
FROM kcidb_checkouts AS t WHERE t.id = $1::text
UNION ALL
SELECT 'progress', NULL, concat_ws(', ', p.builds || ' builds', p.builds_running || ' of them running',
    p.tests_running || ' with running tests', p.untriaged || ' with unexplained failures'), to_jsonb(p)
FROM kcidb_progress AS p WHERE p.id = $1
UNION ALL
SELECT 'milestone', m.reached_at, m.milestone || CASE WHEN m.overdue THEN ', overdue' ELSE '' END, to_jsonb(m)
FROM kcidb_milestones AS m WHERE m.checkout_id = $1
UNION ALL
SELECT 'build', b.message_at, concat_ws(' ', b.id, b.status), to_jsonb(b) FROM kcidb_builds AS b
WHERE b.checkout_id = $1
UNION ALL
SELECT 'issue seen', NULL, i.issue_id || ' in ' || coalesce(i.test_id, i.build_id), to_jsonb(i)
FROM kcidb_occurrences AS o JOIN kcidb_incidents AS i ON i.id = o.incident_id WHERE o.checkout_id = $1
