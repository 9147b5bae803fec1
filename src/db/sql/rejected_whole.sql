-- rejected_whole
-- A message without a time of its own has the time of its receipt as `sent_at`.
SELECT r.id, r.sent_at, NULLIF(r.sent_at, r.received_at) AS own_sent_at, r.attributes::text AS attributes, r.body
FROM unnest($1::text[], $2::timestamptz[]) AS i (id, sent_at) JOIN refused AS r USING (id, sent_at)
ORDER BY r.id, r.sent_at
