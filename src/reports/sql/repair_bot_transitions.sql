-- repair_bot_transitions
-- Heartbeats whose order changed have other predecessors. The oldest heartbeat keeps its stored predecessor.
UPDATE bot_beats AS t SET
    before = n.before
FROM (
    SELECT b.name, b.at, b.message_id, lag(b.status) OVER (ORDER BY b.at, b.message_id) AS before
    FROM bot_beats AS b WHERE b.name = $1::text
) AS n
WHERE t.name = n.name AND t.at = n.at AND t.message_id = n.message_id
    AND n.before IS NOT NULL AND t.before IS DISTINCT FROM n.before
RETURNING t.name
