-- copy_kcidb_builds
-- Inserts new rows. A row that another transaction inserts meanwhile is a conflict, and the transaction is retried.
COPY kcidb_builds (
    id, checkout_id, origin, comment, start_time, duration, architecture, command, compiler, input_files,
    output_files, config_name, config_url, log_url, log_excerpt_sha256, status, misc, message_id, message_at,
    older
) FROM STDIN (FORMAT binary)
