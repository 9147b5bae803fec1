-- add_deliveries
INSERT INTO deliveries (outbox_id, target, created_at, family, key, message_at)
SELECT i.outbox_id, i.target, coalesce(i.created_at, now()), i.family, i.key, i.message_at
FROM (
    SELECT unnest($1::bigint[]) AS outbox_id, unnest($2::text[]) AS target, unnest($3::timestamptz[]) AS created_at,
        unnest($4::text[]) AS family, unnest($5::text[]) AS key, unnest($6::timestamptz[]) AS message_at
) AS i
ORDER BY i.outbox_id, i.target
ON CONFLICT DO NOTHING
