-- replaced_pipelineruns
-- Stores objects whose name another object has. The row is converted to the type of the table first, so that it is
-- equal, byte by byte, to the row that the trigger stores.
INSERT INTO replaced AS r (kind, name, uid, rank, resource_version, tie, message_id, "row")
SELECT 'pipelineruns', i.name, i.uid, i.rank, i.resource_version, i.tie, i.message_id,
    to_jsonb(i) - 'received_at' - 'stale_since' - 'ever_bad'
FROM jsonb_array_elements($1::jsonb) AS j (object)
CROSS JOIN LATERAL jsonb_populate_record(NULL::pipelineruns, j.object) AS i
JOIN pipelineruns AS t ON t.name = i.name AND t.uid <> i.uid
ORDER BY i.name, i.uid
ON CONFLICT (kind, name, uid) DO UPDATE SET
    rank = excluded.rank, resource_version = excluded.resource_version, tie = excluded.tie,
    message_id = excluded.message_id, "row" = excluded."row", received_at = now()
WHERE (r.rank, r.resource_version, r.tie, r.message_id)
    < (excluded.rank, excluded.resource_version, excluded.tie, excluded.message_id)
RETURNING r.name, r.uid
