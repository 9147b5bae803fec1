-- settle_deliveries
WITH result AS (
    SELECT c.outbox_id, c.target, c.created_at, i.outcome, i.wait_ms, i.jitter, i.rejected, i.reason,
        coalesce(c.message_at, c.since) < now() - i.max_age_s * interval '1 second'
            OR c.attempts + 1 >= i.max_attempts AS spent
    FROM (
        SELECT unnest($1::text[]) AS lease, unnest($2::text[]) AS outcome, unnest($3::bigint[]) AS wait_ms,
            unnest($4::boolean[]) AS jitter, unnest($5::boolean[]) AS rejected, unnest($6::boolean[]) AS certain,
            unnest($7::text[]) AS reason, unnest($8::bigint[]) AS max_age_s, unnest($9::integer[]) AS max_attempts
    ) AS i
    JOIN deliveries AS c ON c.lease = i.lease::uuid AND c.lease_until IS NOT NULL
    ORDER BY c.outbox_id, c.target
    FOR UPDATE OF c
)
UPDATE deliveries AS c SET
    state = CASE
        WHEN s.outcome = 'dead' OR (s.outcome = 'retry' AND s.spent) THEN 'dead'
        WHEN s.outcome = 'delivered' THEN 'delivered'
        ELSE 'pending' END,
    attempts = CASE WHEN s.outcome IN ('pause', 'back') THEN c.attempts ELSE c.attempts + 1 END,
    refusals = c.refusals + s.rejected::integer,
    delivered_at = CASE WHEN s.outcome = 'delivered' THEN now() END,
    next_attempt_at = now() + CASE WHEN s.outcome = 'retry'
        THEN s.wait_ms * CASE WHEN s.jitter THEN random() ELSE 1 END ELSE 0 END * interval '1 millisecond',
    lease_until = NULL,
    reason = CASE
        WHEN s.outcome = 'delivered' THEN NULL
        WHEN s.outcome = 'retry' AND s.spent THEN 'given up: ' || s.reason
        ELSE s.reason END
FROM result AS s
WHERE c.outbox_id = s.outbox_id AND c.target = s.target AND c.created_at = s.created_at
RETURNING c.target, c.state, true AS same
