-- explain_events
-- The newest events about an object, with their deliveries.
WITH events AS (
    SELECT o.id, o.created_at, o.event, o.note, o.routed_at FROM outbox AS o
    WHERE o.family = $1::text
        AND (o.key = ANY ($2::text[]) OR ($1 = 'travis' AND starts_with(o.key, ($2::text[])[1] || '/')))
    ORDER BY o.id DESC
    LIMIT 50
)
SELECT 'event' AS part, e.created_at AS at,
    concat_ws(', ', 'e' || e.id || ' ' || e.event, CASE WHEN e.routed_at IS NULL THEN 'not routed yet' END, e.note)
        AS what,
    to_jsonb(e) AS "row"
FROM events AS e
UNION ALL
SELECT 'delivery', coalesce(d.delivered_at, d.since),
    'e' || e.id || ' ' || d.target || ': ' || concat_ws(', ', d.state, nullif(d.attempts, 0) || ' attempts', d.reason),
    to_jsonb(d)
FROM events AS e JOIN deliveries AS d ON d.outbox_id = e.id AND d.created_at = e.created_at
