-- refuse
-- Undated messages (files given by hand) are told apart by their id alone.
INSERT INTO refused (id, sent_at, family, reason, detail, attributes, body)
SELECT i.id, coalesce(i.sent_at, now()), i.family, i.reason, i.detail, i.attributes::jsonb, i.body
FROM (
    SELECT unnest($1::text[]) AS id, unnest($2::timestamptz[]) AS sent_at, unnest($3::text[]) AS family,
        unnest($4::text[]) AS reason, unnest($5::text[]) AS detail, unnest($6::text[]) AS attributes,
        unnest($7::bytea[]) AS body
) AS i
WHERE i.sent_at IS NOT NULL OR NOT EXISTS (SELECT FROM refused AS r WHERE r.id = i.id)
ORDER BY i.id, i.sent_at
ON CONFLICT (id, sent_at) DO NOTHING
