-- mark_stuck_pipelineruns
-- Finds stuck runs: unfinished, past the time limit of their type, and without a message for a while. Marks them if $5
-- is true. Rows are locked in order and without waiting: a run that ingest is writing at this moment is not stuck.
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
