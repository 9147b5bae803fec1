-- list_undelivered_newest
-- Deliveries that were not made, newest first, after a cursor if given: pending and dead ones. Events without a target,
-- and events that are not routed yet, only on request. The states are an OR, since each has an index.
SELECT r.id, r.target, r.what, r.state, r.attempts, r.since, r.next_attempt_at, r.reason
FROM (
    (SELECT 's' || c.id AS id, c.target,
        c.repo || '@' || left(c.sha, 12) || ' ' || c.name || ' ' || c.wanted_state AS what,
        c.state, c.attempts, c.wanted_at AS since, c.next_attempt_at, c.reason
    FROM commit_statuses AS c
    WHERE (c.state = 'pending' OR c.state = 'dead') AND ($1::text IS NULL OR c.state = $1)
        AND ($4::timestamptz IS NULL OR c.wanted_at <= $4))
    UNION ALL
    (SELECT 'e' || d.outbox_id, d.target, o.family || ' ' || o.event || ' ' || o.key, d.state, d.attempts, d.since,
        d.next_attempt_at, d.reason
    FROM deliveries AS d JOIN outbox AS o ON o.id = d.outbox_id AND o.created_at = d.created_at
    WHERE (d.state = 'pending' OR d.state = 'dead') AND ($1 IS NULL OR d.state = $1) AND ($4 IS NULL OR d.since <= $4))
    UNION ALL
    (SELECT 'e' || o.id, '-', o.family || ' ' || o.event || ' ' || o.key, 'undeliverable', 0, o.created_at, NULL, o.note
    FROM outbox AS o
    WHERE o.note IS NOT NULL AND $1 = 'undeliverable' AND ($4 IS NULL OR o.created_at <= $4))
    UNION ALL
    (SELECT 'e' || o.id, '-', o.family || ' ' || o.event || ' ' || o.key, 'unrouted', 0, o.created_at, NULL, NULL
    FROM outbox AS o
    WHERE o.routed_at IS NULL AND $1 = 'unrouted' AND ($4 IS NULL OR o.created_at <= $4))
) AS r
WHERE ($2::text IS NULL OR r.target = $2)
    AND ($3::text IS NULL OR strpos(lower(concat_ws(' ', r.id, r.what, r.reason) COLLATE "default"), lower($3)) > 0)
    AND ($4 IS NULL OR (r.since, length(r.id), r.id, r.target) < ($4, length($5::text), $5, $6::text))
ORDER BY r.since DESC, length(r.id) DESC, r.id DESC, r.target DESC
LIMIT $7
