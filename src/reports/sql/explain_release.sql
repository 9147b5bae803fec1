-- explain_release
SELECT 'release' AS part, t.message_at AS at,
    concat_ws(', ', t.state, t.failed_phase, t.reason, t.failure_reason, t.message) AS what,
    to_jsonb(t) AS "row"
FROM releases AS t WHERE t.name = $1::text
UNION ALL
SELECT 'replaced', r.received_at, r.uid, r."row" FROM replaced AS r WHERE r.kind = 'releases' AND r.name = $1
UNION ALL
SELECT 'snapshot', s.created_at, s.name, to_jsonb(s)
FROM snapshots AS s WHERE s.name = (SELECT l.snapshot FROM releases AS l WHERE l.name = $1)
UNION ALL
SELECT 'pipelinerun', r.created_at, r.name || ' ' || coalesce(k.state, concat_ws(', ', r.state, 'tests ' || r.verdict)),
    to_jsonb(r)
FROM pipelineruns AS r
LEFT JOIN checks AS k ON k.system = 'konflux' AND k.kind = 'pipelineruns' AND k.key = r.name
WHERE r.release_name = $1 OR r.name = (SELECT l.release_plr FROM releases AS l WHERE l.name = $1)
