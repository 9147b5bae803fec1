-- kcidb_find_build
SELECT b.id, b.checkout_id, b.origin, b.architecture, b.compiler, b.config_name, b.config_url, b.command, b.comment,
    b.status, b.start_time, b.duration, b.log_url, b.message_id, b.message_at, b.input_files, b.output_files, b.misc
FROM kcidb_builds AS b
WHERE b.id = $1
