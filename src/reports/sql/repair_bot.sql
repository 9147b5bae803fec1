-- repair_bot
UPDATE bots AS t SET
    updated_at = CASE WHEN t.updated_at > $2::timestamptz THEN t.received_at ELSE t.updated_at END,
    message_at = CASE WHEN t.message_at > $2 THEN t.received_at ELSE t.message_at END
WHERE t.name = $1::text AND greatest(t.updated_at, t.message_at) > $2
RETURNING t.name
