-- explain_rejected
-- Rejected messages that contain the name of the object ($1), or have one of these ids ($2). Scans all rejected
-- messages; compressed bodies are not searched.
SELECT 'refused' AS part, r.received_at AS at, r.id || ' ' || r.reason || ': ' || r.detail AS what,
    to_jsonb(r) - 'body' AS "row"
FROM refused AS r
WHERE r.id = ANY ($2::text[]) OR position(convert_to($1::text, 'UTF8') IN r.body) > 0
ORDER BY r.received_at DESC
LIMIT 20
