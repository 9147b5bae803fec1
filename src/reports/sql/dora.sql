-- dora
-- The four DORA metrics since a time ($1), by project, over the newest $3 deployments of each system. Time to restore
-- is computed within these only. Times are in seconds. `since` is the begin of the period: not before the first
-- deployment.
WITH newest AS (
    (SELECT d.* FROM dora_konflux AS d WHERE d.at >= $1::timestamptz ORDER BY d.at DESC LIMIT $3::bigint)
    UNION ALL
    (SELECT d.* FROM dora_buildkite AS d WHERE d.at >= $1 ORDER BY d.at DESC LIMIT $3)
    UNION ALL
    (SELECT d.* FROM dora_travis AS d WHERE d.at >= $1 ORDER BY d.at DESC LIMIT $3)
    UNION ALL
    (SELECT d.* FROM dora_gitlab AS d WHERE d.at >= $1 ORDER BY d.at DESC LIMIT $3)
), deployments AS MATERIALIZED (
    SELECT n.system, coalesce(n.project, '') AS project, n.id, n.sha, n.at, n.succeeded FROM newest AS n
), older (system) AS (
    SELECT 'konflux' WHERE EXISTS (SELECT FROM dora_konflux AS d WHERE d.at < $1)
    UNION ALL
    SELECT 'buildkite' WHERE EXISTS (SELECT FROM dora_buildkite AS d WHERE d.at < $1)
    UNION ALL
    SELECT 'travis' WHERE EXISTS (SELECT FROM dora_travis AS d WHERE d.at < $1)
    UNION ALL
    SELECT 'gitlab' WHERE EXISTS (SELECT FROM dora_gitlab AS d WHERE d.at < $1)
), systems AS (
    SELECT d.system,
        CASE WHEN count(*) < $3 AND d.system IN (SELECT o.system FROM older AS o) THEN $1 ELSE min(d.at) END AS since
    FROM deployments AS d GROUP BY d.system
), changes AS (
    -- A failure after a success (or the first one), or a success after a failure: the next change after a failure
    -- restores.
    SELECT t.system, t.project, t.succeeded, t.at,
        lead(t.at) OVER (PARTITION BY t.system, t.project ORDER BY t.at, t.id) AS next
    FROM (
        SELECT d.*, lag(d.succeeded) OVER (PARTITION BY d.system, d.project ORDER BY d.at, d.id) AS before
        FROM deployments AS d
    ) AS t
    WHERE t.succeeded IS DISTINCT FROM t.before
), restores AS (
    SELECT t.system, t.project, count(*) FILTER (WHERE t.next IS NULL) AS broken,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM t.next - t.at)) AS restore_p50
    FROM changes AS t
    WHERE NOT t.succeeded
    GROUP BY t.system, t.project
), counted AS (
    SELECT d.system, d.project, count(*) FILTER (WHERE d.succeeded) AS deployments,
        count(*) FILTER (WHERE NOT d.succeeded) AS failed,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM l.lead)) AS lead_p50,
        percentile_cont(0.9) WITHIN GROUP (ORDER BY extract(epoch FROM l.lead)) AS lead_p90
    FROM deployments AS d
    LEFT JOIN LATERAL (
        SELECT CASE WHEN p.pushed_at <= d.at THEN d.at - p.pushed_at END AS lead
        FROM (
            SELECT min(coalesce(f.first_pushed_at, f.pushed_at)) AS pushed_at
            FROM gitlab_pushes AS f WHERE d.succeeded AND f.sha = d.sha
        ) AS p
    ) AS l ON true
    GROUP BY d.system, d.project
)
SELECT c.system, NULLIF(c.project, '') AS project, c.deployments, c.failed, c.lead_p50, c.lead_p90, r.restore_p50,
    coalesce(r.broken, 0) > 0 AS broken, s.since
FROM counted AS c
JOIN systems AS s ON s.system = c.system
LEFT JOIN restores AS r ON r.system = c.system AND r.project = c.project
ORDER BY broken DESC, c.deployments + c.failed DESC, c.system, c.project
LIMIT $2
