-- explain_job
-- By host and number, `HOST/ID`.
WITH parameters AS (
    SELECT split_part($1::text, '/', 1) AS host,
        CASE WHEN split_part($1, '/', 2) ~ '^[0-9]{1,18}$' THEN split_part($1, '/', 2)::bigint END AS id
)
SELECT 'gitlab job' AS part, coalesce(t.message_at, t.version_at) AS at,
    t.check_name || ' ' || t.status || coalesce(', ' || t.failure_reason, '') AS what, to_jsonb(t) AS "row"
FROM parameters AS a JOIN gitlab_jobs AS t ON t.host = a.host AND t.id = a.id
UNION ALL
SELECT 'pipeline', coalesce(p.message_at, p.version_at), p.status || ', ' || p.source, to_jsonb(p)
FROM parameters AS a JOIN gitlab_jobs AS t ON t.host = a.host AND t.id = a.id
JOIN gitlab_pipelines AS p ON p.host = t.host AND p.id = t.pipeline_id
UNION ALL
SELECT 'attempt', coalesce(o.message_at, o.version_at), o.id || ' ' || o.status, to_jsonb(o)
FROM parameters AS a JOIN gitlab_jobs AS t ON t.host = a.host AND t.id = a.id
JOIN gitlab_jobs AS o ON o.host = t.host AND o.pipeline_id = t.pipeline_id AND o.check_name = t.check_name
    AND o.id <> t.id
UNION ALL
SELECT 'check', c.changed_at, c.name || ' ' || c.state, to_jsonb(c)
FROM parameters AS a JOIN gitlab_jobs AS t ON t.host = a.host AND t.id = a.id
JOIN checks AS c ON c.system = 'gitlab' AND c.kind = 'gitlab_jobs'
    AND c.key = t.host || '/' || t.pipeline_id || '/' || t.check_name
UNION ALL
SELECT 'deployment', coalesce(d.message_at, d.version_at), d.environment || ' ' || d.status, to_jsonb(d)
FROM parameters AS a JOIN gitlab_jobs AS t ON t.host = a.host AND t.id = a.id
JOIN gitlab_deployments AS d ON d.project = t.project AND d.host = t.host AND d.job_id = t.id
