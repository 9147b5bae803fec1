-- dora
-- The four measures since a time, by project. Restoring is looked at within that time only; times are in seconds.
WITH deployments AS MATERIALIZED (
    SELECT d.* FROM dora_deployments AS d WHERE d.at >= $1::timestamptz
), failures AS (
    SELECT d.*, lag(d.succeeded) OVER place AS before,
        min(d.at) FILTER (WHERE d.succeeded) OVER (back ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS restored_at
    FROM deployments AS d
    WINDOW place AS (PARTITION BY d.system, d.project ORDER BY d.at, d.id),
        back AS (PARTITION BY d.system, d.project ORDER BY d.at DESC, d.id DESC)
), restores AS (
    SELECT f.system, f.project, count(*) FILTER (WHERE f.restored_at IS NULL) AS broken,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM f.restored_at - f.at)) AS restore_p50
    FROM failures AS f
    WHERE NOT f.succeeded AND f.before IS NOT FALSE
    GROUP BY f.system, f.project
), counted AS (
    SELECT d.system, d.project, count(*) FILTER (WHERE d.succeeded) AS deployments, count(*) FILTER (WHERE NOT d.succeeded) AS failed,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM l.lead)) AS lead_p50,
        percentile_cont(0.9) WITHIN GROUP (ORDER BY extract(epoch FROM l.lead)) AS lead_p90
    FROM deployments AS d
    LEFT JOIN LATERAL (
        SELECT CASE WHEN min(p.pushed_at) <= d.at THEN d.at - min(p.pushed_at) END AS lead
        FROM gitlab_pushes AS p WHERE d.succeeded AND p.sha = d.sha
    ) AS l ON true
    GROUP BY d.system, d.project
)
SELECT c.system, c.project, c.deployments, c.failed, c.lead_p50, c.lead_p90, r.restore_p50, coalesce(r.broken, 0) > 0 AS broken
FROM counted AS c LEFT JOIN restores AS r ON r.system = c.system AND r.project IS NOT DISTINCT FROM c.project
ORDER BY broken DESC, c.deployments + c.failed DESC, c.system, c.project
LIMIT $2
