-- explain_pipelinerun
SELECT 'pipelinerun' AS part, t.message_at AS at,
    concat_ws(', ', coalesce(k.state, t.state), 'tests ' || t.verdict, t.reason, t.message) AS what,
    to_jsonb(t) AS "row"
FROM pipelineruns AS t
LEFT JOIN checks AS k ON k.system = 'konflux' AND k.kind = 'pipelineruns' AND k.key = t.name
WHERE t.name = $1::text
UNION ALL
SELECT 'replaced', r.received_at, r.uid, r."row" FROM replaced AS r WHERE r.kind = 'pipelineruns' AND r.name = $1
UNION ALL
SELECT 'snapshot', s.created_at, s.name, to_jsonb(s)
FROM snapshots AS s WHERE s.source_plr = $1 OR s.name = (SELECT r.snapshot FROM pipelineruns AS r WHERE r.name = $1)
UNION ALL
SELECT 'release', l.created_at, l.name || ' ' || l.state, to_jsonb(l)
FROM releases AS l
WHERE l.release_plr = $1 OR l.name = (SELECT r.release_name FROM pipelineruns AS r WHERE r.name = $1)
