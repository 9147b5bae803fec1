-- retry_statuses
-- The statuses with these ids, or (without ids) all dead ones, of one target or of all.
UPDATE commit_statuses AS c SET
    state = 'pending', attempts = 0, refusals = 0, wanted_at = now(), message_at = NULL,
    next_attempt_at = coalesce(c.lease_until, now()), reason = NULL
WHERE c.state <> 'delivered' AND ($2::text IS NULL OR c.target = $2)
    AND CASE WHEN $1::text[] IS NULL THEN c.state = 'dead' ELSE 's' || c.id = ANY ($1) END
RETURNING c.target
