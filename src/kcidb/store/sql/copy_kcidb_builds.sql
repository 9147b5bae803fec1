-- copy_kcidb_builds
-- New ones only. One that somebody else writes meanwhile is a conflict, and all is tried again.
COPY kcidb_builds (
    id, checkout_id, origin, comment, start_time, duration, architecture, command, compiler, input_files,
    output_files, config_name, config_url, log_url, log_excerpt_sha256, status, misc, message_id, message_at,
    older
) FROM STDIN (FORMAT binary)
