-- end_disabled_statuses
-- Ends pending rows of targets that have been disabled for an hour: at most $1 rows; counts only where $2 is true.
-- They can be retried when the target is there again. A leased row is left to the holder of its lease.
WITH waits AS (
    SELECT c.id
    FROM delivery_targets AS t
    CROSS JOIN LATERAL (
        SELECT s.id FROM commit_statuses AS s
        WHERE s.target = t.name AND s.state = 'pending' AND coalesce(s.lease_until, '-infinity') <= now()
        ORDER BY s.next_attempt_at
        LIMIT $1::bigint
        FOR UPDATE SKIP LOCKED
    ) AS c
    WHERE t.disabled_at < now() - interval '1 hour'
    LIMIT $1
), ended AS (
    UPDATE commit_statuses AS c SET state = 'dead', reason = 'the target is disabled'
    FROM waits AS w WHERE NOT $2::boolean AND c.id = w.id
)
SELECT count(*) AS rows FROM waits
