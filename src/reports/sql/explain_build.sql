-- explain_build
-- By id, or by `pipeline/number`.
SELECT 'buildkite build' AS part, t.event_at AS at, t.state || coalesce(', blocked ' || t.blocked_state, '') AS what,
    to_jsonb(t) AS "row"
FROM buildkite_builds AS t WHERE t.id = $1::text OR t.pipeline || '/' || t.number = $1
UNION ALL
SELECT 'commit status', c.wanted_at,
    c.target || ' ' || c.name || ' ' || c.wanted_state || ': ' || c.state || coalesce(', ' || c.reason, ''), to_jsonb(c)
FROM buildkite_builds AS b JOIN commit_statuses AS c ON c.sha = b.commit AND c.repo = b.repo_path
WHERE b.id = $1 OR b.pipeline || '/' || b.number = $1
