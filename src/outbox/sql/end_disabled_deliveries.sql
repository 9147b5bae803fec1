-- end_disabled_deliveries
-- Ends pending rows of targets that have been disabled for an hour: at most $1 rows; counts only where $2 is true.
-- They can be retried when the target is there again. A leased row is left to the holder of its lease.
WITH waits AS (
    SELECT c.outbox_id, c.target, c.created_at
    FROM delivery_targets AS t
    CROSS JOIN LATERAL (
        SELECT d.outbox_id, d.target, d.created_at FROM deliveries AS d
        WHERE d.target = t.name AND d.state = 'pending' AND coalesce(d.lease_until, '-infinity') <= now()
        ORDER BY d.next_attempt_at, d.outbox_id
        LIMIT $1::bigint
        FOR UPDATE SKIP LOCKED
    ) AS c
    WHERE t.disabled_at < now() - interval '1 hour'
    LIMIT $1
), ended AS (
    UPDATE deliveries AS d SET state = 'dead', reason = 'the target is disabled'
    FROM waits AS w
    WHERE NOT $2::boolean AND d.outbox_id = w.outbox_id AND d.target = w.target AND d.created_at = w.created_at
)
SELECT count(*) AS rows FROM waits
