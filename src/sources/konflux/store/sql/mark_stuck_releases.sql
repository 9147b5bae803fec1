-- mark_stuck_releases
-- Finds stuck releases: unfinished and past their time limit. See mark_stuck_pipelineruns.
WITH due AS (
    SELECT t.name, t.state, s.since
    FROM releases AS t
    CROSS JOIN LATERAL (SELECT GREATEST(
        coalesce(t.started_at, t.created_at, t.message_at) + make_interval(secs => $1::bigint),
        t.message_at + make_interval(secs => $2::bigint)
    ) AS since) AS s
    WHERE t.rank = 0 AND t.state IN ('pending', 'running') AND t.stale_since IS NULL AND s.since <= $3::timestamptz
    ORDER BY t.name
    FOR UPDATE OF t SKIP LOCKED
), marked AS (
    UPDATE releases AS t SET stale_since = d.since
    FROM due AS d
    WHERE t.name = d.name AND t.rank = 0 AND t.stale_since IS NULL AND $4::boolean
)
SELECT name, state, since FROM due ORDER BY name
