-- count_beats
-- Heartbeats of some bots since a time ($2), in slots of $3 seconds, with the worst status in each.
SELECT b.name, floor(date_part('epoch', b.at - $2::timestamptz) / $3::bigint)::bigint AS slot, count(*) AS beats,
    max(CASE b.status WHEN 'ok' THEN 0 WHEN 'warning' THEN 1 WHEN 'failed' THEN 2 ELSE -1 END)::bigint AS worst
FROM bot_beats AS b
WHERE b.name = ANY ($1::text[]) AND b.at >= $2
GROUP BY b.name, slot
ORDER BY b.name, slot
