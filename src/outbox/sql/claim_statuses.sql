-- claim_statuses
-- Leases due statuses at targets whose circuit breaker is closed: up to the capacity of each, one where it is rate
-- limited or probed.
WITH gate AS (
    SELECT t.name, i.interval_ms, t.trips > 0 AS probe,
        CASE WHEN t.trips > 0 OR i.interval_ms > 0 THEN 1 ELSE i.slots END AS slots
    FROM unnest($1::text[], $2::integer[], $3::integer[]) AS i (name, slots, interval_ms)
    JOIN delivery_targets AS t ON t.name = i.name
    WHERE i.slots > 0 AND t.next_at <= now() AND coalesce(t.open_until, '-infinity') <= now()
        AND (t.trips = 0 OR coalesce(t.probe_until, '-infinity') <= now())
    ORDER BY t.name
    FOR UPDATE OF t SKIP LOCKED
), due AS (
    SELECT d.id, d.target, g.interval_ms, g.probe
    FROM gate AS g
    CROSS JOIN LATERAL (
        SELECT c.id, c.target
        FROM commit_statuses AS c
        WHERE c.target = g.name AND c.state = 'pending' AND c.next_attempt_at <= now()
            AND coalesce(c.lease_until, '-infinity') <= now()
        ORDER BY c.next_attempt_at
        LIMIT g.slots
        FOR UPDATE SKIP LOCKED
    ) AS d
), paced AS (
    UPDATE delivery_targets AS t SET
        next_at = now() + d.interval_ms * interval '1 millisecond',
        probe_until = CASE WHEN d.probe THEN now() + $4::bigint * interval '1 millisecond' ELSE t.probe_until END
    FROM (SELECT DISTINCT target, interval_ms, probe FROM due) AS d
    WHERE t.name = d.target AND (d.probe OR d.interval_ms > 0)
)
UPDATE commit_statuses AS c SET
    lease = gen_random_uuid(),
    lease_until = now() + $4::bigint * interval '1 millisecond',
    next_attempt_at = now() + $4::bigint * interval '1 millisecond',
    sent_state = c.wanted_state,
    sent_description = c.wanted_description,
    sent_url = c.wanted_url,
    -- A status may have been posted under an expired lease: the delivered state is unknown then.
    delivered_state = CASE WHEN c.lease_until IS NULL THEN c.delivered_state END,
    cut = c.cut + (c.lease_until IS NOT NULL)::integer
-- As a list, each is looked up: how many there are is not known to the planner, which would join them with the whole
-- table.
WHERE c.id = ANY (ARRAY (SELECT d.id FROM due AS d))
RETURNING c.target, c.repo, c.sha, c.name, c.wanted_state, c.wanted_description, c.wanted_url, c.lease::text AS lease,
    c.attempts, c.refusals,
    greatest(extract(epoch FROM now() - coalesce(c.message_at, c.wanted_at)), 0)::bigint AS age_s
