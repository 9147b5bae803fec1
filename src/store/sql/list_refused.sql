-- list_refused
-- Newest first, after a key if given; without the bytes.
SELECT r.id, r.sent_at, r.family, r.reason, r.detail, octet_length(r.body)::bigint AS bytes, r.received_at
FROM refused AS r
WHERE ($1::text IS NULL OR r.family = $1)
    AND ($2::text IS NULL OR r.reason = $2)
    AND ($3::text IS NULL OR strpos(lower(concat_ws(' ', r.id, r.detail)), lower($3)) > 0)
    AND ($4::timestamptz IS NULL OR (r.received_at, r.id) < ($4, $5::text))
ORDER BY r.received_at DESC, r.id DESC
LIMIT $6
