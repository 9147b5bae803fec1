-- claim_deliveries
-- As claim_statuses, but for each key only the first pending delivery, so that its events keep their order.
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
    SELECT d.outbox_id, d.target, d.created_at, g.interval_ms, g.probe
    FROM gate AS g
    CROSS JOIN LATERAL (
        SELECT c.outbox_id, c.target, c.created_at
        FROM deliveries AS c
        WHERE c.target = g.name AND c.state = 'pending' AND c.next_attempt_at <= now()
            AND coalesce(c.lease_until, '-infinity') <= now()
            AND NOT EXISTS (
                SELECT FROM deliveries AS e
                WHERE e.target = c.target AND e.family = c.family AND e.key = c.key AND e.state = 'pending'
                    AND e.outbox_id < c.outbox_id
            )
        ORDER BY c.next_attempt_at, c.outbox_id
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
UPDATE deliveries AS c SET
    lease = gen_random_uuid(),
    lease_until = now() + $4::bigint * interval '1 millisecond',
    next_attempt_at = now() + $4::bigint * interval '1 millisecond',
    cut = c.cut + (c.lease_until IS NOT NULL)::integer
FROM due AS d
JOIN outbox AS o ON o.id = d.outbox_id AND o.created_at = d.created_at
WHERE c.outbox_id = d.outbox_id AND c.target = d.target AND c.created_at = d.created_at
    -- As a list, each is looked up: the planner does not know how many there are, and would read the whole tables.
    AND c.outbox_id = ANY (ARRAY (SELECT d.outbox_id FROM due AS d))
    AND o.id = ANY (ARRAY (SELECT d.outbox_id FROM due AS d))
RETURNING c.target, c.lease::text AS lease, c.attempts, c.refusals, o.id, o.family, o.event, o.key, o.attributes,
    o.payload, o.texts, o.created_at,
    greatest(extract(epoch FROM now() - coalesce(c.message_at, c.since)), 0)::bigint AS age_s
