-- list_transitions
-- Changes of status, newest first, of one bot or of all.
SELECT t.name, t.from_status, t.to_status, t.at, t.comment, t.message_id
FROM bot_transitions AS t
WHERE ($1::text IS NULL OR t.name = $1)
ORDER BY t.at DESC, t.name, t.message_id DESC
LIMIT $2
