-- explain_delivery
-- By the id in the list of deliveries: `s` and the number of a commit status, or `e` and the number of an event.
WITH parameters AS (
    SELECT CASE WHEN $1::text ~ '^s[0-9]{1,18}$' THEN substr($1, 2)::bigint END AS status,
        CASE WHEN $1 ~ '^e[0-9]{1,18}$' THEN substr($1, 2)::bigint END AS event
)
SELECT 'commit status' AS part, t.wanted_at AS at,
    t.target || ' ' || t.name || ' ' || t.wanted_state || ': ' || t.state || coalesce(', ' || t.reason, '') AS what,
    to_jsonb(t) AS "row"
FROM parameters AS a JOIN commit_statuses AS t ON t.id = a.status
UNION ALL
SELECT 'event', o.created_at, o.event || coalesce(', ' || o.note, ''), to_jsonb(o)
FROM parameters AS a LEFT JOIN commit_statuses AS c ON c.id = a.status
JOIN outbox AS o ON o.id = coalesce(a.event, c.outbox_id)
UNION ALL
SELECT 'delivery', coalesce(d.delivered_at, d.since), d.target || ': ' || d.state || coalesce(', ' || d.reason, ''),
    to_jsonb(d)
FROM parameters AS a JOIN deliveries AS d ON d.outbox_id = a.event
UNION ALL
SELECT 'target', g.open_until, concat_ws(', ', g.name, 'faults ' || g.failures, g.reason), to_jsonb(g)
FROM delivery_targets AS g
WHERE g.name IN (
    SELECT c.target FROM parameters AS a JOIN commit_statuses AS c ON c.id = a.status
    UNION ALL SELECT d.target FROM parameters AS a JOIN deliveries AS d ON d.outbox_id = a.event)
