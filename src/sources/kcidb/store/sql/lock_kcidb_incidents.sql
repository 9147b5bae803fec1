-- lock_kcidb_incidents
-- Locks existing rows for the version guard: their stamps, and which columns have a value. Rows that were already
-- written with the same message are skipped: a redelivery is idempotent.
SELECT t.id, t.message_id, t.message_at, t.older, ARRAY[
    t.origin IS NOT NULL, t.issue_id IS NOT NULL, t.issue_version IS NOT NULL, t.build_id IS NOT NULL,
    t.test_id IS NOT NULL, t.present IS NOT NULL, t.comment IS NOT NULL, t.misc IS NOT NULL
] AS filled
FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS i (id, message_id, message_at)
JOIN kcidb_incidents AS t ON t.id = i.id
WHERE (t.message_id, t.message_at) IS DISTINCT FROM (i.message_id, i.message_at)
ORDER BY t.id
FOR UPDATE OF t
