-- show_delivery
-- All columns of a delivery as JSON: `s` and the id of a commit status, or `e` and the id of an event.
SELECT to_jsonb(c) || jsonb_build_object('id', 's' || c.id) AS document
FROM commit_statuses AS c
WHERE $1 = 's' || c.id
UNION ALL
SELECT to_jsonb(o) || jsonb_build_object('id', 'e' || o.id, 'deliveries', (
    SELECT coalesce(jsonb_agg(to_jsonb(d) - 'outbox_id' - 'created_at' ORDER BY d.target), '[]')
    FROM deliveries AS d WHERE d.outbox_id = o.id AND d.created_at = o.created_at))
FROM outbox AS o
WHERE $1 = 'e' || o.id
