-- list_bots
-- All bots. For a bot without a declared interval, with the median gap between its last heartbeats.
SELECT b.name, b.status, b.comment, b.meta, b.interval_seconds, b.warnings, b.updated_at, b.message_id, b.received_at,
    g.measured_seconds, coalesce(g.gaps, 0) AS gaps
FROM bots AS b
LEFT JOIN LATERAL (
    SELECT ceil(percentile_cont(0.5) WITHIN GROUP (ORDER BY l.gap))::bigint AS measured_seconds, count(l.gap) AS gaps
    FROM (
        SELECT extract(epoch FROM n.at - lag(n.at) OVER (ORDER BY n.at))::double precision AS gap
        FROM (
            SELECT h.at FROM bot_beats AS h WHERE h.name = b.name AND h.at > 'epoch'
            ORDER BY h.at DESC, h.message_id DESC LIMIT 11
        ) AS n
    ) AS l
) AS g ON b.interval_seconds IS NULL
WHERE ($1::text IS NULL OR b.name = $1)
ORDER BY b.name
LIMIT 10000
