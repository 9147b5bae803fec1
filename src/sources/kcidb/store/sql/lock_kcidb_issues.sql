-- lock_kcidb_issues
-- Locks existing rows for the version guard: their stamps, and which columns have a value. Rows that were already
-- written with the same message are skipped: a redelivery is idempotent.
SELECT t.id, t.version, t.message_id, t.message_at, t.older, ARRAY[
    t.origin IS NOT NULL, t.categories IS NOT NULL, t.report_url IS NOT NULL, t.report_subject IS NOT NULL,
    t.culprit_code IS NOT NULL, t.culprit_tool IS NOT NULL, t.culprit_harness IS NOT NULL, t.comment IS NOT NULL,
    t.misc IS NOT NULL
] AS filled
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::timestamptz[]) AS i (id, version, message_id, message_at)
JOIN kcidb_issues AS t ON t.id = i.id AND t.version = i.version
WHERE (t.message_id, t.message_at) IS DISTINCT FROM (i.message_id, i.message_at)
ORDER BY t.id, t.version
FOR UPDATE OF t
