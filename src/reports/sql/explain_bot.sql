-- explain_bot
SELECT 'bot' AS part, t.updated_at AS at, concat_ws(', ', t.status, t.comment) AS what, to_jsonb(t) AS "row"
FROM bots AS t WHERE t.name = $1::text
UNION ALL
(SELECT 'transition', b.at, coalesce(b.before, 'nothing') || ' -> ' || b.status, to_jsonb(b)
FROM bot_beats AS b WHERE b.name = $1 AND b.before IS DISTINCT FROM b.status ORDER BY b.at DESC LIMIT 20)
UNION ALL
(SELECT 'heartbeat', b.at, b.status, to_jsonb(b) FROM bot_beats AS b WHERE b.name = $1 ORDER BY b.at DESC LIMIT 5)
