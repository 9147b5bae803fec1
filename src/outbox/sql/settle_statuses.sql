-- settle_statuses
-- The outcomes of leases. A lease that is no longer held changes nothing.
WITH result AS (
    SELECT c.id, i.outcome, i.wait_ms, i.jitter, i.rejected, i.certain, i.reason,
        (c.wanted_state, c.wanted_description, c.wanted_url)
            IS NOT DISTINCT FROM (c.sent_state, c.sent_description, c.sent_url) AS same,
        coalesce(c.message_at, c.wanted_at) < now() - i.max_age_s * interval '1 second'
            OR c.attempts + 1 >= i.max_attempts AS spent
    FROM (
        SELECT unnest($1::text[]) AS lease, unnest($2::text[]) AS outcome, unnest($3::bigint[]) AS wait_ms,
            unnest($4::boolean[]) AS jitter, unnest($5::boolean[]) AS rejected, unnest($6::boolean[]) AS certain,
            unnest($7::text[]) AS reason, unnest($8::bigint[]) AS max_age_s, unnest($9::integer[]) AS max_attempts
    ) AS i
    JOIN commit_statuses AS c ON c.lease = i.lease::uuid AND c.lease_until IS NOT NULL
    ORDER BY c.target, c.repo, c.sha, c.context
    FOR UPDATE OF c
)
UPDATE commit_statuses AS c SET
    state = CASE
        WHEN c.state = 'outdated' THEN 'outdated'
        WHEN s.outcome = 'dead' AND (s.same OR s.reason LIKE 'status_cap%') THEN 'dead'
        WHEN s.outcome = 'retry' AND s.same AND s.spent THEN 'dead'
        WHEN s.outcome = 'delivered' AND s.same THEN 'delivered'
        WHEN s.outcome <> 'delivered' AND s.certain AND c.delivered_state IS NOT NULL
            AND (c.delivered_state, c.delivered_description, c.delivered_url)
                IS NOT DISTINCT FROM (c.wanted_state, c.wanted_description, c.wanted_url) THEN 'delivered'
        ELSE 'pending' END,
    posts = c.posts + (s.outcome = 'delivered')::integer,
    attempts = CASE WHEN NOT s.same THEN 0 WHEN s.outcome IN ('pause', 'back') THEN c.attempts ELSE c.attempts + 1 END,
    refusals = CASE WHEN s.same THEN c.refusals + s.rejected::integer ELSE 0 END,
    delivered_state = CASE WHEN s.outcome = 'delivered' THEN c.sent_state WHEN s.certain THEN c.delivered_state END,
    delivered_description = CASE WHEN s.outcome = 'delivered' THEN c.sent_description ELSE c.delivered_description END,
    delivered_url = CASE WHEN s.outcome = 'delivered' THEN c.sent_url ELSE c.delivered_url END,
    delivered_at = CASE WHEN s.outcome = 'delivered' THEN now() ELSE c.delivered_at END,
    next_attempt_at = now() + CASE WHEN s.outcome = 'retry' AND s.same
        THEN s.wait_ms * CASE WHEN s.jitter THEN random() ELSE 1 END ELSE 0 END * interval '1 millisecond',
    lease_until = NULL,
    reason = CASE
        WHEN s.outcome = 'delivered' THEN NULL
        WHEN s.outcome = 'retry' AND s.same AND s.spent THEN 'given up: ' || s.reason
        ELSE s.reason END
FROM result AS s
WHERE c.id = s.id
RETURNING c.target, c.state, s.same
