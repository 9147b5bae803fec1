-- related_to_pipelines
-- What else depends on changed pipelines: the checks of their jobs and of those of their children, and the cancelled
-- pipeline before each, which it may have replaced (without check_name).
WITH changed AS MATERIALIZED (
    SELECT p.host, p.id, p.project_id, p.ref, p.source
    FROM unnest($1::text[], $2::bigint[]) AS i (host, id)
    JOIN gitlab_pipelines AS p ON p.host = i.host AND p.id = i.id
), children AS MATERIALIZED (
    SELECT k.host, k.id FROM changed AS c
    JOIN gitlab_pipelines AS k ON k.host = c.host AND k.parent_id = c.id
), below AS (
    SELECT i.host, i.id FROM unnest($1, $2) AS i (host, id)
    UNION SELECT k.host, k.id FROM children AS k
    UNION SELECT g.host, g.id FROM children AS k
    JOIN gitlab_pipelines AS g ON g.host = k.host AND g.parent_id = k.id
)
SELECT DISTINCT j.host, j.pipeline_id AS id, j.check_name
FROM below AS b JOIN gitlab_jobs AS j ON j.host = b.host AND j.pipeline_id = b.id
UNION ALL
SELECT o.host, o.id, NULL
FROM changed AS c
CROSS JOIN LATERAL (
    SELECT p.host, p.id, p.status FROM gitlab_pipelines AS p
    WHERE p.host = c.host AND p.project_id = c.project_id AND p.ref = c.ref AND p.source = c.source AND p.id < c.id
    ORDER BY p.id DESC
    LIMIT 1
) AS o
WHERE o.status = 'canceled'
