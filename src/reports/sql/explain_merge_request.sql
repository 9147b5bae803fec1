-- explain_merge_request
WITH parameters AS (
    SELECT split_part($1::text, '!', 1) AS project,
        CASE WHEN split_part($1, '!', 2) ~ '^[0-9]{1,18}$' THEN split_part($1, '!', 2)::bigint END AS iid
)
SELECT 'merge request' AS part, t.message_at AS at, t.state || coalesce(', ' || t.last_action, '') AS what,
    to_jsonb(t) AS "row"
FROM parameters AS a JOIN gitlab_merge_requests AS t ON t.project = a.project AND t.iid = a.iid
UNION ALL
SELECT 'version', v.created_at, v.sha, to_jsonb(v) FROM parameters AS a
JOIN gitlab_mr_versions AS v ON v.project = a.project AND v.iid = a.iid
UNION ALL
SELECT 'pipelinerun', r.created_at, r.name || ' ' || coalesce(k.state, concat_ws(', ', r.state, 'tests ' || r.verdict)),
    to_jsonb(r)
FROM parameters AS a JOIN gitlab_mr_versions AS v ON v.project = a.project AND v.iid = a.iid
    JOIN pipelineruns AS r ON r.sha = v.sha AND r.project = v.project
    LEFT JOIN checks AS k ON k.system = 'konflux' AND k.kind = 'pipelineruns' AND k.key = r.name
UNION ALL
SELECT 'commit status', c.wanted_at,
    c.target || ' ' || c.name || ' ' || c.wanted_state || ': ' || c.state || coalesce(', ' || c.reason, ''), to_jsonb(c)
FROM parameters AS a JOIN gitlab_mr_versions AS v ON v.project = a.project AND v.iid = a.iid
JOIN commit_statuses AS c ON c.sha = v.sha
UNION ALL
SELECT 'asked GitLab', p.checked_at, coalesce(p.problem, 'answered'), to_jsonb(p)
FROM parameters AS a JOIN reconcile_projects AS p ON p.project = a.project
