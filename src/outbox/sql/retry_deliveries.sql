-- retry_deliveries
UPDATE deliveries AS c SET
    state = 'pending', attempts = 0, refusals = 0, since = now(), message_at = NULL,
    next_attempt_at = coalesce(c.lease_until, now()), reason = NULL
WHERE c.state <> 'delivered' AND ($2::text IS NULL OR c.target = $2)
    AND CASE WHEN $1::text[] IS NULL THEN c.state = 'dead' ELSE 'e' || c.outbox_id = ANY ($1) END
RETURNING c.target
