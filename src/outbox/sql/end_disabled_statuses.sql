-- end_disabled_statuses
-- What waits for targets that have been disabled for an hour is given up, so many rows at most; counted only where $2 is true. It can
-- be retried when the target is there again. A lease is left to its holder.
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
