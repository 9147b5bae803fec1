-- copy_kcidb_tests
-- Inserts new rows. A row that another transaction inserts meanwhile is a conflict, and the transaction is retried.
COPY kcidb_tests (
    id, build_id, origin, environment_comment, environment_compatible, environment_misc, path, comment, log_url,
    log_excerpt_sha256, status, number_value, number_unit, number_prefix, start_time, duration, input_files,
    output_files, misc, message_id, message_at, older
) FROM STDIN (FORMAT binary)
