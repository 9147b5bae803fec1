-- update_kcidb_tests
-- Only the values that count are given. The rows are locked since lock_kcidb_tests.
UPDATE kcidb_tests AS t SET
    build_id = coalesce(i.build_id, t.build_id), origin = coalesce(i.origin, t.origin),
    environment_comment = coalesce(i.environment_comment, t.environment_comment),
    environment_compatible = coalesce(i.environment_compatible::jsonb, t.environment_compatible),
    environment_misc = coalesce(i.environment_misc::jsonb, t.environment_misc), path = coalesce(i.path, t.path),
    comment = coalesce(i.comment, t.comment), log_url = coalesce(i.log_url, t.log_url),
    log_excerpt_sha256 = coalesce(i.log_excerpt_sha256, t.log_excerpt_sha256), status = coalesce(i.status, t.status),
    number_value = coalesce(i.number_value, t.number_value), number_unit = coalesce(i.number_unit, t.number_unit),
    number_prefix = coalesce(i.number_prefix, t.number_prefix), start_time = coalesce(i.start_time, t.start_time),
    duration = coalesce(i.duration, t.duration), input_files = coalesce(i.input_files::jsonb, t.input_files),
    output_files = coalesce(i.output_files::jsonb, t.output_files), misc = coalesce(i.misc::jsonb, t.misc),
    message_id = i.message_id, message_at = i.message_at, older = i.older::jsonb, received_at = now()
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::bytea[], $11::text[], $12::double precision[], $13::text[], $14::text[], $15::timestamptz[],
    $16::double precision[], $17::text[], $18::text[], $19::text[], $20::text[], $21::timestamptz[], $22::text[]
) AS i (
    id, build_id, origin, environment_comment, environment_compatible, environment_misc, path, comment, log_url,
    log_excerpt_sha256, status, number_value, number_unit, number_prefix, start_time, duration, input_files,
    output_files, misc, message_id, message_at, older
)
JOIN kcidb_tests AS o ON o.id = i.id
WHERE t.id = i.id
    AND (t.message_id, t.message_at, t.older) IS DISTINCT FROM (i.message_id, i.message_at, i.older::jsonb)
RETURNING t.id, o.build_id AS parent_before, (
    o.build_id, o.origin, o.environment_comment, o.environment_compatible, o.environment_misc, o.path, o.comment,
    o.log_url, o.log_excerpt_sha256, o.status, o.number_value, o.number_unit, o.number_prefix, o.start_time,
    o.duration, o.input_files, o.output_files, o.misc
) IS DISTINCT FROM (
    t.build_id, t.origin, t.environment_comment, t.environment_compatible, t.environment_misc, t.path, t.comment,
    t.log_url, t.log_excerpt_sha256, t.status, t.number_value, t.number_unit, t.number_prefix, t.start_time,
    t.duration, t.input_files, t.output_files, t.misc
) AS changed
