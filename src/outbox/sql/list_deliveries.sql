-- list_deliveries
-- Deliveries that are pending or dead (or in a given state), oldest first; and events without a target.
SELECT r.id, r.target, r.what, r.state, r.attempts, r.next_attempt_at, r.reason
FROM (
    SELECT 's' || c.id AS id, c.target,
        c.repo || '@' || left(c.sha, 12) || ' ' || c.name || ' ' || c.wanted_state AS what,
        c.state, c.attempts, c.next_attempt_at, c.reason, c.wanted_at AS since
    FROM commit_statuses AS c
    UNION ALL
    SELECT 'e' || d.outbox_id, d.target, o.family || ' ' || o.event || ' ' || o.key, d.state, d.attempts,
        d.next_attempt_at, d.reason, d.since
    FROM deliveries AS d JOIN outbox AS o ON o.id = d.outbox_id AND o.created_at = d.created_at
    UNION ALL
    SELECT 'e' || o.id, '-', o.family || ' ' || o.event || ' ' || o.key, 'undeliverable', 0, NULL, o.note, o.created_at
    FROM outbox AS o WHERE o.note IS NOT NULL
    UNION ALL
    SELECT 'e' || o.id, '-', o.family || ' ' || o.event || ' ' || o.key, 'unrouted', 0, NULL, NULL, o.created_at
    FROM outbox AS o WHERE o.routed_at IS NULL
) AS r
WHERE CASE WHEN $1::text IS NULL THEN r.state IN ('pending', 'dead') ELSE r.state = $1 END
    AND ($2::text IS NULL OR r.target = $2)
ORDER BY r.since, r.id
LIMIT $3
