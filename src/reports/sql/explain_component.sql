-- explain_component
SELECT 'component' AS part, t.message_at AS at, CASE WHEN t.deleted_at IS NULL THEN 'live' ELSE 'deleted' END AS what,
    to_jsonb(t) AS "row"
FROM components AS t WHERE t.name = $1::text
UNION ALL
SELECT 'replaced', r.received_at, r.uid, r."row" FROM replaced AS r WHERE r.kind = 'components' AND r.name = $1
UNION ALL
(SELECT 'pipelinerun', r.created_at,
    r.name || ' ' || coalesce(k.state, concat_ws(', ', r.state, 'tests ' || r.verdict)), to_jsonb(r)
FROM pipelineruns AS r
LEFT JOIN checks AS k ON k.system = 'konflux' AND k.kind = 'pipelineruns' AND k.key = r.name
WHERE r.component = $1
ORDER BY r.created_at DESC LIMIT 10)
