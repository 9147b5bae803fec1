-- read_kcidb_builds
SELECT
    t.id, t.checkout_id, t.origin, t.comment, t.start_time, t.duration, t.architecture, t.command, t.compiler,
    t.input_files::text, t.output_files::text, t.config_name, t.config_url, t.log_url, t.log_excerpt_sha256,
    t.status, t.misc::text
FROM unnest($1::text[]) AS i (id)
JOIN kcidb_builds AS t ON t.id = i.id
ORDER BY t.id
