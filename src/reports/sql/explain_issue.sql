-- explain_issue
SELECT 'issue' AS part, t.message_at AS at, concat_ws(' ', 'version', t.version, t.report_subject, t.comment) AS what,
    to_jsonb(t) AS "row"
FROM kcidb_issues AS t WHERE t.id = $1::text
UNION ALL
SELECT 'found by', r.message_at,
    r.id || CASE WHEN r.deleted THEN ' (deleted)' ELSE '' END || coalesce(', set aside: ' || r.set_aside, ''),
    to_jsonb(r)
FROM kcidb_issue_regexes AS r WHERE r.issue_id = $1
UNION ALL
(SELECT 'incident', i.message_at, concat_ws(' ', i.id, coalesce(i.test_id, i.build_id), i.present), to_jsonb(i)
FROM kcidb_incidents AS i WHERE i.issue_id = $1 ORDER BY i.message_at DESC NULLS LAST LIMIT 20)
