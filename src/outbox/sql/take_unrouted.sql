-- take_unrouted
SELECT id, family, event, key, payload, created_at, message_at
FROM outbox
WHERE routed_at IS NULL
ORDER BY id
LIMIT $1
