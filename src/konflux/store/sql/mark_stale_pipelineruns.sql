-- mark_stale_pipelineruns
-- Unfinished runs past the time that their kind may take, of which nothing was heard for a while. Locked in order and
-- without waiting: whatever ingest is writing at this moment is not stale.
WITH due AS (
    SELECT t.name, t.state, s.since
    FROM unnest($1::text[], $2::bigint[]) AS i (type, seconds)
    JOIN pipelineruns AS t ON t.type = i.type
    CROSS JOIN LATERAL (SELECT GREATEST(
        coalesce(t.started_at, t.created_at, t.message_at) + make_interval(secs => i.seconds),
        t.message_at + make_interval(secs => $3::bigint)
    ) AS since) AS s
    WHERE t.rank = 0 AND t.stale_since IS NULL AND s.since <= $4::timestamptz
    ORDER BY t.name
    FOR UPDATE OF t SKIP LOCKED
), marked AS (
    UPDATE pipelineruns AS t SET stale_since = d.since
    FROM due AS d
    WHERE t.name = d.name AND t.rank = 0 AND t.stale_since IS NULL AND $5::boolean
)
SELECT name, state, since FROM due ORDER BY name
