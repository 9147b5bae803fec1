-- repair_bot_beats
UPDATE bot_beats AS t SET
    at = CASE WHEN t.at > $2::timestamptz THEN t.received_at ELSE t.at END,
    message_at = CASE WHEN t.message_at > $2 THEN t.received_at ELSE t.message_at END
WHERE t.name = $1::text AND greatest(t.at, t.message_at) > $2
RETURNING t.name
