-- read_kcidb_tests
SELECT
    t.id, t.build_id, t.origin, t.environment_comment, t.environment_compatible::text, t.environment_misc::text,
    t.path, t.comment, t.log_url, t.log_excerpt_sha256, t.status, t.number_value, t.number_unit, t.number_prefix,
    t.start_time, t.duration, t.input_files::text, t.output_files::text, t.misc::text
FROM unnest($1::text[]) AS i (id)
JOIN kcidb_tests AS t ON t.id = i.id
ORDER BY t.id
