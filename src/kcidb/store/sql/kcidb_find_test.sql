-- kcidb_find_test
SELECT t.id, t.build_id, t.origin, t.path, t.comment, t.status, t.environment_comment, t.number_value, t.number_unit,
    t.start_time, t.duration, t.log_url, t.message_id, t.message_at
FROM kcidb_tests AS t
WHERE t.id = $1
