-- explain_commit
SELECT 'push' AS part, t.pushed_at AS at, t.repo || ' ' || t.ref AS what, to_jsonb(t) AS "row"
FROM gitlab_pushes AS t WHERE t.sha = $1::text
UNION ALL
SELECT 'version', v.created_at, v.project || '!' || v.iid, to_jsonb(v) FROM gitlab_mr_versions AS v WHERE v.sha = $1
UNION ALL
SELECT 'pipeline', coalesce(p.message_at, p.version_at), p.project || ' ' || p.id || ' ' || p.status, to_jsonb(p)
FROM gitlab_pipelines AS p WHERE p.sha = $1
UNION ALL
SELECT 'deployment', coalesce(d.message_at, d.version_at), d.project || ' ' || d.environment || ' ' || d.status,
    to_jsonb(d)
FROM gitlab_deployments AS d WHERE d.sha = $1
UNION ALL
SELECT 'pipelinerun', r.created_at, r.name || ' ' || coalesce(k.state, concat_ws(', ', r.state, 'tests ' || r.verdict)),
    to_jsonb(r)
FROM pipelineruns AS r
LEFT JOIN checks AS k ON k.system = 'konflux' AND k.kind = 'pipelineruns' AND k.key = r.name
WHERE r.sha = $1
UNION ALL
SELECT 'snapshot', s.created_at, s.name, to_jsonb(s) FROM snapshots AS s WHERE s.sha = $1
UNION ALL
SELECT 'release', l.created_at, l.name || ' ' || l.state, to_jsonb(l) FROM releases AS l WHERE l.sha = $1
UNION ALL
SELECT 'buildkite build', b.event_at, b.pipeline || ' ' || b.number || ' ' || b.state, to_jsonb(b)
FROM buildkite_builds AS b WHERE b.commit = $1
UNION ALL
SELECT 'travis build', b.message_at, b.id || coalesce(' ' || b.state, ''), to_jsonb(b)
FROM travis_builds AS b WHERE b.commit ->> 'sha' = $1
UNION ALL
SELECT 'checkout', coalesce(c.start_time, c.message_at), c.id, to_jsonb(c) FROM kcidb_checkouts AS c
WHERE c.git_commit_hash = $1
UNION ALL
SELECT 'commit status', c.wanted_at,
    c.target || ' ' || c.name || ' ' || c.wanted_state || ': ' || c.state || coalesce(', ' || c.reason, ''), to_jsonb(c)
FROM commit_statuses AS c WHERE c.sha = $1
