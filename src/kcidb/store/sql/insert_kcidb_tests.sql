-- insert_kcidb_tests
-- New ones only: those that are there are locked and updated.
INSERT INTO kcidb_tests (
    id, build_id, origin, environment_comment, environment_compatible, environment_misc, path, comment, log_url,
    log_excerpt_sha256, status, number_value, number_unit, number_prefix, start_time, duration, input_files,
    output_files, misc, message_id, message_at, older
)
SELECT
    i.id, i.build_id, i.origin, i.environment_comment, i.environment_compatible::jsonb, i.environment_misc::jsonb,
    i.path, i.comment, i.log_url, i.log_excerpt_sha256, i.status, i.number_value, i.number_unit, i.number_prefix,
    i.start_time, i.duration, i.input_files::jsonb, i.output_files::jsonb, i.misc::jsonb, i.message_id, i.message_at,
    i.older::jsonb
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::bytea[], $11::text[], $12::double precision[], $13::text[], $14::text[], $15::timestamptz[],
    $16::double precision[], $17::text[], $18::text[], $19::text[], $20::text[], $21::timestamptz[], $22::text[]
) AS i (
    id, build_id, origin, environment_comment, environment_compatible, environment_misc, path, comment, log_url,
    log_excerpt_sha256, status, number_value, number_unit, number_prefix, start_time, duration, input_files,
    output_files, misc, message_id, message_at, older
)
ORDER BY i.id
ON CONFLICT (id) DO NOTHING
RETURNING id
