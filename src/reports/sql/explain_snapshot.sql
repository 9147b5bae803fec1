-- explain_snapshot
SELECT 'snapshot' AS part, t.message_at AS at,
    concat_ws(', ', 'tests ' || t.test_state, t.test_reason, t.test_message, t.release_state, t.release_message)
        AS what,
    to_jsonb(t) AS "row"
FROM snapshots AS t WHERE t.name = $1::text
UNION ALL
SELECT 'replaced', r.received_at, r.uid, r."row" FROM replaced AS r WHERE r.kind = 'snapshots' AND r.name = $1
UNION ALL
SELECT 'pipelinerun', r.created_at, r.name || ' ' || coalesce(k.state, concat_ws(', ', r.state, 'tests ' || r.verdict)),
    to_jsonb(r)
FROM pipelineruns AS r
LEFT JOIN checks AS k ON k.system = 'konflux' AND k.kind = 'pipelineruns' AND k.key = r.name
WHERE r.snapshot = $1 OR r.name = (SELECT s.source_plr FROM snapshots AS s WHERE s.name = $1)
UNION ALL
SELECT 'release', l.created_at, l.name || ' ' || l.state, to_jsonb(l) FROM releases AS l WHERE l.snapshot = $1
