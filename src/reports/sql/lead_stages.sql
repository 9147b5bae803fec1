-- lead_stages
-- Seconds of each stage from a push to its release, of all applications (null) and of each, over the newest $2 releases
-- that succeeded since a time ($1). Stages that are unknown or in another order are left out.
WITH changes AS (
    SELECT coalesce(r.application, '') AS application, p.pushed_at, b.created_at AS queued_at, b.started_at,
        b.finished_at AS built_at,
        s.created_at AS snapshot_at, t.tested_at, r.created_at AS release_at, r.finished_at AS released_at
    FROM (
        SELECT * FROM releases AS l
        WHERE l.state = 'succeeded' AND l.finished_at IS NOT NULL AND l.finished_at >= $1::timestamptz
        ORDER BY l.finished_at DESC
        LIMIT $2::bigint
    ) AS r
    LEFT JOIN snapshots AS s ON s.name = r.snapshot
    LEFT JOIN pipelineruns AS b ON b.name = s.source_plr
    LEFT JOIN LATERAL (
        SELECT max(t.finished_at) AS tested_at FROM pipelineruns AS t WHERE t.snapshot = r.snapshot AND t.type = 'test'
    ) AS t ON true
    LEFT JOIN LATERAL (
        SELECT min(coalesce(p.first_pushed_at, p.pushed_at)) AS pushed_at FROM gitlab_pushes AS p
        WHERE p.sha = coalesce(b.sha, r.sha)
    ) AS p ON true
)
SELECT w.application, g.stage, count(*) AS releases,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM g.took)) AS p50,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY extract(epoch FROM g.took)) AS p90
FROM changes AS w
CROSS JOIN LATERAL (VALUES
    ('push to build', w.queued_at - w.pushed_at),
    ('queue', w.started_at - w.queued_at),
    ('build', w.built_at - w.started_at),
    ('snapshot', w.snapshot_at - w.built_at),
    ('tests', w.tested_at - w.snapshot_at),
    ('wait', w.release_at - greatest(w.tested_at, w.snapshot_at)),
    ('release', w.released_at - w.release_at),
    ('whole', w.released_at - w.pushed_at)
) AS g (stage, took)
WHERE g.took >= interval '0'
GROUP BY GROUPING SETS ((g.stage), (g.stage, w.application))
ORDER BY max(count(*)) OVER (PARTITION BY w.application) DESC, w.application NULLS FIRST, g.stage
LIMIT 800
