-- refuse
-- Undated messages (files given by hand) are told apart by their id alone.
INSERT INTO refused (id, sent_at, family, reason, detail, attributes, body)
SELECT i.id, coalesce(i.sent_at, now()), i.family, i.reason, i.detail, i.attributes::jsonb, i.body
FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[])
    AS i (id, sent_at, family, reason, detail, attributes, body)
WHERE i.sent_at IS NOT NULL OR NOT EXISTS (SELECT FROM refused AS r WHERE r.id = i.id)
ORDER BY i.id, i.sent_at
ON CONFLICT (id, sent_at) DO NOTHING
