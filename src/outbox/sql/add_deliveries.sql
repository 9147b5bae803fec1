-- add_deliveries
INSERT INTO deliveries (outbox_id, target, created_at, family, key)
SELECT i.outbox_id, i.target, i.created_at, i.family, i.key
FROM unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::text[], $5::text[])
    AS i (outbox_id, target, created_at, family, key)
ORDER BY i.outbox_id, i.target
ON CONFLICT DO NOTHING
