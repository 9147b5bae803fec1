-- explain_deployment
-- By host and number, `HOST/ID`.
WITH found AS MATERIALIZED (
    SELECT t.* FROM gitlab_deployments AS t
    WHERE t.host = split_part($1::text, '/', 1) AND t.id = substr($1, strpos($1, '/') + 1)
)
SELECT 'deployment' AS part, coalesce(t.message_at, t.version_at) AS at, t.environment || ' ' || t.status AS what,
    to_jsonb(t) AS "row"
FROM found AS t
UNION ALL
SELECT 'job', coalesce(j.message_at, j.version_at), j.check_name || ' ' || j.status, to_jsonb(j)
FROM found AS t JOIN gitlab_jobs AS j ON j.host = t.host AND j.id = t.job_id
UNION ALL
SELECT 'version', v.created_at, v.project || '!' || v.iid, to_jsonb(v)
FROM found AS t JOIN gitlab_mr_versions AS v ON v.sha = t.sha
