-- rejected_list
-- After a key, in order of the keys, so that a replay passes remaining messages once.
SELECT id, sent_at, family, reason, detail, octet_length(body)::bigint AS bytes, received_at
FROM refused
WHERE ($1::text IS NULL OR reason = $1)
    AND ($2::text IS NULL OR family = $2)
    AND ($3::text IS NULL OR id = $3)
    AND ($4::text IS NULL OR (id, sent_at) > ($4, $5::timestamptz))
ORDER BY id, sent_at
LIMIT $6
