-- prune_outbox
-- Of a chunk of events after an id, in the order of their ids: deletes those older than a number of days without
-- pending deliveries, and their deliveries; only counts them where $4 is true. `last` is the cursor of the next chunk,
-- and `more` whether it can hold old events. Deliveries are locked before they are read: one of them may be made due
-- again just now.
WITH chunk AS MATERIALIZED (
    SELECT o.id, o.created_at, o.routed_at FROM outbox AS o WHERE o.id > $1::bigint ORDER BY o.id LIMIT $2::bigint
), old AS MATERIALIZED (
    SELECT p.id, p.created_at FROM chunk AS p
    WHERE p.routed_at IS NOT NULL AND p.created_at < now() - $3::integer * interval '1 day'
), delivery AS MATERIALIZED (
    SELECT d.outbox_id, d.target, d.created_at, d.state
    FROM old AS o
    CROSS JOIN LATERAL (
        -- OFFSET 0 keeps this an index lookup for each event.
        SELECT c.outbox_id, c.target, c.created_at, c.state FROM deliveries AS c
        WHERE c.outbox_id = o.id AND c.created_at = o.created_at
        ORDER BY c.target OFFSET 0
        FOR UPDATE
    ) AS d
), ended AS MATERIALIZED (
    SELECT o.id, o.created_at FROM old AS o
    EXCEPT
    SELECT t.outbox_id, t.created_at FROM delivery AS t WHERE t.state = 'pending'
), leads AS MATERIALIZED (
    SELECT t.outbox_id, t.target, t.created_at
    FROM delivery AS t JOIN ended AS e ON e.id = t.outbox_id AND e.created_at = t.created_at
), without_deliveries AS (
    DELETE FROM deliveries AS d USING leads AS l
    WHERE NOT $4::boolean AND d.outbox_id = l.outbox_id AND d.target = l.target AND d.created_at = l.created_at
), without_events AS (
    DELETE FROM outbox AS t USING ended AS e WHERE NOT $4::boolean AND t.id = e.id AND t.created_at = e.created_at
)
SELECT (SELECT count(*) FROM ended) AS events, (SELECT count(*) FROM leads) AS deliveries,
    (SELECT max(p.id) FROM chunk AS p) AS last,
    coalesce((
        SELECT count(*) = $2 AND min(p.created_at) < now() - $3 * interval '1 day' FROM chunk AS p
    ), false) AS more
