-- list_rejected_oldest
-- Oldest first, after a key if given; without the bytes. A text has no index: it is searched in the first 10,000 rows
-- that match the other filters.
SELECT r.id, r.sent_at, r.family, r.reason, r.detail, octet_length(r.body)::bigint AS bytes, r.received_at
FROM (
    SELECT * FROM refused AS k
    WHERE ($1::text IS NULL OR k.family = $1)
        AND ($2::text IS NULL OR k.reason = $2)
        AND ($4::timestamptz IS NULL OR (k.received_at, k.id) > ($4, $5::text))
    ORDER BY k.received_at, k.id
    LIMIT CASE WHEN $3::text IS NULL THEN $6::bigint ELSE 10000 END
) AS r
WHERE $3 IS NULL OR strpos(lower(concat_ws(' ', r.id, r.detail) COLLATE "default"), lower($3)) > 0
ORDER BY r.received_at, r.id
LIMIT $6
