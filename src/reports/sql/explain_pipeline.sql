-- explain_pipeline
-- By host and number, `HOST/ID`.
WITH parameters AS (
    SELECT split_part($1::text, '/', 1) AS host,
        CASE WHEN split_part($1, '/', 2) ~ '^[0-9]{1,18}$' THEN split_part($1, '/', 2)::bigint END AS id
)
SELECT 'pipeline' AS part, coalesce(t.message_at, t.version_at) AS at, t.status || ', ' || t.source AS what,
    to_jsonb(t) AS "row"
FROM parameters AS a JOIN gitlab_pipelines AS t ON t.host = a.host AND t.id = a.id
UNION ALL
SELECT 'job', coalesce(j.message_at, j.version_at),
    j.check_name || ' ' || j.status || coalesce(', ' || j.failure_reason, ''), to_jsonb(j)
FROM parameters AS a JOIN gitlab_jobs AS j ON j.host = a.host AND j.pipeline_id = a.id
UNION ALL
SELECT 'child', coalesce(c.message_at, c.version_at), c.project || ' ' || c.id || ' ' || c.status, to_jsonb(c)
FROM parameters AS a JOIN gitlab_pipelines AS c ON c.host = a.host AND c.parent_id = a.id
UNION ALL
SELECT 'parent', coalesce(p.message_at, p.version_at), p.project || ' ' || p.id || ' ' || p.status, to_jsonb(p)
FROM parameters AS a JOIN gitlab_pipelines AS t ON t.host = a.host AND t.id = a.id
JOIN gitlab_pipelines AS p ON p.host = t.host AND p.id = t.parent_id
UNION ALL
SELECT 'check', c.changed_at, c.name || ' ' || c.state, to_jsonb(c)
FROM checks AS c WHERE c.system = 'gitlab' AND c.kind = 'gitlab_pipelines' AND c.key = $1
UNION ALL
SELECT 'asked GitLab', r.checked_at, coalesce(r.problem, 'answered'), to_jsonb(r)
FROM parameters AS a JOIN gitlab_pipelines AS t ON t.host = a.host AND t.id = a.id
JOIN reconcile_projects AS r ON r.project = t.project
