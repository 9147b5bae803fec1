-- kcidb_list_tests
-- Tests of a build: failed ones first, then those without a result.
SELECT t.id, t.build_id, t.origin, t.path, t.comment, t.status, t.environment_comment, t.number_value, t.number_unit,
    t.start_time, t.duration, t.log_url, t.message_id, t.message_at
FROM kcidb_tests AS t
WHERE t.build_id = $1
ORDER BY coalesce(array_position($2::text[], t.status), 2), t.path, t.id
LIMIT $3
