-- prune_beats
-- Heartbeats before a time, so many at most: all of them where $3 is true, else those that changed nothing, whose neighbours
-- need not be told, as the status before them was their own. Only counts where $4 is true. The last eleven of a bot stay, as its
-- rhythm and its state are told by them. A bot that is being written waits for the next time.
WITH free AS (
    SELECT b.name FROM bots AS b ORDER BY b.name FOR UPDATE SKIP LOCKED
), old AS (
    SELECT o.name, o.at, o.message_id
    FROM free AS f
    CROSS JOIN LATERAL (
        SELECT min(n.at) AS at
        FROM (SELECT h.at FROM bot_beats AS h WHERE h.name = f.name ORDER BY h.at DESC, h.message_id DESC LIMIT 11) AS n
    ) AS rhythm
    CROSS JOIN LATERAL (
        SELECT h.name, h.at, h.message_id FROM bot_beats AS h
        WHERE h.name = f.name AND h.at < least($1::timestamptz, rhythm.at) AND ($3::boolean OR h.before = h.status)
        ORDER BY h.at, h.message_id
        LIMIT $2::bigint
    ) AS o
    LIMIT $2
), gone AS (
    DELETE FROM bot_beats AS t USING old AS o
    WHERE NOT $4::boolean AND t.name = o.name AND t.at = o.at AND t.message_id = o.message_id
)
SELECT count(*) AS rows FROM old
