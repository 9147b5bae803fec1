-- kcidb_find_test
SELECT t.id, t.build_id, t.origin, t.path, t.comment, t.status, t.environment_comment, t.number_value, t.number_unit,
    t.start_time, t.duration, t.log_url, t.message_id, t.message_at, t.number_prefix,
    t.environment_compatible, t.environment_misc, t.input_files, t.output_files, t.misc
FROM kcidb_tests AS t
WHERE t.id = $1
