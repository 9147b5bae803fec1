-- prune_beats
-- Deletes up to $2 heartbeats before a time ($1): all of them if $3 is true, else those that did not change the status.
-- Their neighbours need no update, because the previous status is the same without them. Only counts if $4 is true. The
-- last eleven of each bot stay: its state and its measured interval depend on them. A bot whose row is locked by a
-- writer is skipped.
WITH free AS (
    SELECT b.name FROM bots AS b ORDER BY b.name FOR UPDATE SKIP LOCKED
), old AS (
    SELECT o.name, o.at, o.message_id
    FROM free AS f
    CROSS JOIN LATERAL (
        SELECT min(n.at) AS at
        FROM (SELECT h.at FROM bot_beats AS h WHERE h.name = f.name ORDER BY h.at DESC, h.message_id DESC LIMIT 11) AS n
    ) AS kept
    CROSS JOIN LATERAL (
        SELECT h.name, h.at, h.message_id FROM bot_beats AS h
        WHERE h.name = f.name AND h.at < least($1::timestamptz, kept.at) AND ($3::boolean OR h.before = h.status)
        ORDER BY h.at, h.message_id
        LIMIT $2::bigint
    ) AS o
    LIMIT $2
), deleted AS (
    DELETE FROM bot_beats AS t USING old AS o
    WHERE NOT $4::boolean AND t.name = o.name AND t.at = o.at AND t.message_id = o.message_id
)
SELECT count(*) AS rows FROM old
