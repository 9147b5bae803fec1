-- insert_kcidb_builds
-- New ones only: those that are there are locked and updated.
INSERT INTO kcidb_builds (
    id, checkout_id, origin, comment, start_time, duration, architecture, command, compiler, input_files,
    output_files, config_name, config_url, log_url, log_excerpt_sha256, status, misc, message_id, message_at, older
)
SELECT
    i.id, i.checkout_id, i.origin, i.comment, i.start_time, i.duration, i.architecture, i.command, i.compiler,
    i.input_files::jsonb, i.output_files::jsonb, i.config_name, i.config_url, i.log_url, i.log_excerpt_sha256,
    i.status, i.misc::jsonb, i.message_id, i.message_at, i.older::jsonb
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::double precision[], $7::text[],
    $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::bytea[],
    $16::text[], $17::text[], $18::text[], $19::timestamptz[], $20::text[]
) AS i (
    id, checkout_id, origin, comment, start_time, duration, architecture, command, compiler, input_files,
    output_files, config_name, config_url, log_url, log_excerpt_sha256, status, misc, message_id, message_at, older
)
ORDER BY i.id
ON CONFLICT (id) DO NOTHING
RETURNING id
