-- reject
-- Stores each rejected message once. A message with a time is identified by its id and time, whichever envelope its
-- bytes come in (live, archive). A message without one is a file: other bytes under the same name are another message;
-- a microsecond between them makes their keys differ.
INSERT INTO refused (id, sent_at, family, reason, detail, attributes, body)
SELECT i.id,
    coalesce(i.sent_at, now())
        + (k.taken + row_number() OVER (PARTITION BY i.id, i.sent_at ORDER BY i.body) - 1) * interval '1 microsecond',
    i.family, i.reason, i.detail, i.attributes::jsonb, i.body
FROM (
    SELECT unnest($1::text[]) AS id, unnest($2::timestamptz[]) AS sent_at, unnest($3::text[]) AS family,
        unnest($4::text[]) AS reason, unnest($5::text[]) AS detail, unnest($6::text[]) AS attributes,
        unnest($7::bytea[]) AS body
) AS i
CROSS JOIN LATERAL (
    SELECT count(*) AS taken, coalesce(bool_or(r.body = i.body), false) AS is_known FROM refused AS r
    WHERE r.id = i.id AND i.sent_at IS NULL
) AS k
WHERE NOT k.is_known
ORDER BY i.id, i.sent_at
ON CONFLICT (id, sent_at) DO NOTHING
