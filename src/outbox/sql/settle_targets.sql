-- settle_targets
-- The circuit breaker of each target. Five consecutive faults open it, and so does a pause that the target asks for;
-- each consecutive time for twice as long. Responses of deliveries that were in flight when it opened do not count. A
-- success closes it. After any response, or a delivery that was returned untried, the next delivery may probe the
-- target. A row that would not change is not written.
WITH result AS (
    SELECT o.name, i.delivered, i.faults, i.pause_ms, i.doubling, i.reason, o.trips,
        CASE WHEN i.delivered THEN 0 ELSE o.failures END + i.faults AS failures,
        coalesce(o.open_until, '-infinity') <= now() AS was_open
    FROM (
        SELECT unnest($1::text[]) AS name, unnest($2::boolean[]) AS delivered, unnest($3::integer[]) AS faults,
            unnest($4::bigint[]) AS pause_ms, unnest($5::boolean[]) AS doubling, unnest($6::text[]) AS reason
    ) AS i
    JOIN delivery_targets AS o ON o.name = i.name
    ORDER BY o.name
    FOR UPDATE OF o
), decision AS (
    SELECT s.name, s.delivered, s.pause_ms, s.reason, s.failures, s.trips,
        s.was_open AND (s.pause_ms IS NOT NULL OR s.faults > 0 AND s.failures >= 5) AS closes,
        CASE
            WHEN s.pause_ms IS NULL
                THEN least(interval '15 minutes', interval '5 seconds' * power(2, least(s.trips, 20)))
                    * (0.5 + random() / 2)
            WHEN s.doubling
                THEN least(interval '1 hour', s.pause_ms * interval '1 millisecond' * power(2, least(s.trips, 20)))
            ELSE s.pause_ms * interval '1 millisecond' END AS time
    FROM result AS s
)
UPDATE delivery_targets AS t SET
    failures = v.failures,
    trips = CASE WHEN v.closes THEN v.trips + 1 WHEN v.delivered AND v.pause_ms IS NULL THEN 0 ELSE v.trips END,
    open_until = CASE
        WHEN v.closes THEN now() + v.time
        WHEN v.pause_ms IS NOT NULL THEN greatest(t.open_until, now() + v.pause_ms * interval '1 millisecond')
        WHEN v.delivered THEN NULL
        ELSE t.open_until END,
    probe_until = NULL,
    reason = CASE WHEN v.delivered AND v.pause_ms IS NULL THEN NULL ELSE coalesce(v.reason, t.reason) END
FROM decision AS v
WHERE t.name = v.name AND (
    v.closes OR v.pause_ms IS NOT NULL OR v.reason IS NOT NULL OR t.failures <> v.failures OR t.probe_until IS NOT NULL
    OR v.delivered AND (t.trips > 0 OR t.open_until IS NOT NULL OR t.reason IS NOT NULL)
)
RETURNING t.name, v.closes, t.open_until
