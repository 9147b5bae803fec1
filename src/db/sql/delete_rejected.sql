-- delete_rejected
DELETE FROM refused AS r
USING unnest($1::text[], $2::timestamptz[]) AS i (id, sent_at)
WHERE r.id = i.id AND r.sent_at = i.sent_at
RETURNING r.id
