-- link_beats
-- Sets the previous status (`before`) of new heartbeats and of those that follow them. The previous status is that of
-- the neighbour by send time, whenever it arrived.
UPDATE bot_beats AS t SET before = n.before
FROM unnest($1::text[], $2::timestamptz[], $3::text[]) AS i (name, at, message_id)
CROSS JOIN LATERAL (
    SELECT i.name, i.at, i.message_id
    UNION ALL
    (SELECT b.name, b.at, b.message_id FROM bot_beats AS b
    WHERE b.name = i.name AND (b.at, b.message_id) > (i.at, i.message_id)
    ORDER BY b.at, b.message_id LIMIT 1)
) AS k
CROSS JOIN LATERAL (SELECT (
    SELECT p.status FROM bot_beats AS p
    WHERE p.name = k.name AND (p.at, p.message_id) < (k.at, k.message_id)
    ORDER BY p.at DESC, p.message_id DESC LIMIT 1
)) AS n (before)
WHERE t.name = k.name AND t.at = k.at AND t.message_id = k.message_id AND t.before IS DISTINCT FROM n.before
