-- lock_kcidb_builds
-- Locks existing rows for the version guard: their stamps, and which columns have a value. Rows that were already
-- written with the same message are skipped: a redelivery is idempotent.
SELECT t.id, t.message_id, t.message_at, t.older, ARRAY[
    t.checkout_id IS NOT NULL, t.origin IS NOT NULL, t.comment IS NOT NULL, t.start_time IS NOT NULL,
    t.duration IS NOT NULL, t.architecture IS NOT NULL, t.command IS NOT NULL, t.compiler IS NOT NULL,
    t.input_files IS NOT NULL, t.output_files IS NOT NULL, t.config_name IS NOT NULL, t.config_url IS NOT NULL,
    t.log_url IS NOT NULL, t.log_excerpt_sha256 IS NOT NULL, t.status IS NOT NULL, t.misc IS NOT NULL
] AS filled
FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS i (id, message_id, message_at)
JOIN kcidb_builds AS t ON t.id = i.id
WHERE (t.message_id, t.message_at) IS DISTINCT FROM (i.message_id, i.message_at)
ORDER BY t.id
FOR UPDATE OF t
