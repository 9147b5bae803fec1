-- explain_refused
-- What was refused and names the thing, or has one of these ids. Reads all that was refused, as far as it is plain.
SELECT 'refused' AS part, r.received_at AS at, r.id || ' ' || r.reason || ': ' || r.detail AS what,
    to_jsonb(r) - 'body' AS "row"
FROM refused AS r
WHERE r.id = ANY ($2::text[]) OR position(convert_to($1::text, 'UTF8') IN r.body) > 0
ORDER BY r.received_at DESC
LIMIT 20
