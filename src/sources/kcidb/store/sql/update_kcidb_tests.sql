-- update_kcidb_tests
-- Values that do not win are given as null and stay. The rows have been locked by lock_kcidb_tests.
UPDATE kcidb_tests AS t SET
    build_id = coalesce(i.build_id, t.build_id), origin = coalesce(i.origin, t.origin),
    environment_comment = coalesce(i.environment_comment, t.environment_comment),
    environment_compatible = coalesce(i.environment_compatible::jsonb, t.environment_compatible),
    environment_misc = coalesce(i.environment_misc::jsonb, t.environment_misc), path = coalesce(i.path, t.path),
    comment = coalesce(i.comment, t.comment), log_url = coalesce(i.log_url, t.log_url),
    log_excerpt_sha256 = coalesce(i.log_excerpt_sha256, t.log_excerpt_sha256), status = coalesce(i.status, t.status),
    number_value = coalesce(i.number_value, t.number_value), number_unit = coalesce(i.number_unit, t.number_unit),
    number_prefix = coalesce(i.number_prefix, t.number_prefix), start_time = coalesce(i.start_time, t.start_time),
    duration = coalesce(i.duration, t.duration), input_files = coalesce(i.input_files::jsonb, t.input_files),
    output_files = coalesce(i.output_files::jsonb, t.output_files), misc = coalesce(i.misc::jsonb, t.misc),
    message_id = i.message_id, message_at = i.message_at, older = i.older::jsonb, received_at = now()
FROM (
    SELECT unnest($1::text[]) AS id, unnest($2::text[]) AS build_id, unnest($3::text[]) AS origin,
        unnest($4::text[]) AS environment_comment, unnest($5::text[]) AS environment_compatible,
        unnest($6::text[]) AS environment_misc, unnest($7::text[]) AS path, unnest($8::text[]) AS comment,
        unnest($9::text[]) AS log_url, unnest($10::bytea[]) AS log_excerpt_sha256, unnest($11::text[]) AS status,
        unnest($12::double precision[]) AS number_value, unnest($13::text[]) AS number_unit,
        unnest($14::text[]) AS number_prefix, unnest($15::timestamptz[]) AS start_time,
        unnest($16::double precision[]) AS duration, unnest($17::text[]) AS input_files,
        unnest($18::text[]) AS output_files, unnest($19::text[]) AS misc, unnest($20::text[]) AS message_id,
        unnest($21::timestamptz[]) AS message_at, unnest($22::text[]) AS older
) AS i
JOIN kcidb_tests AS o ON o.id = i.id
WHERE t.id = i.id
    AND (t.message_id, t.message_at, t.older) IS DISTINCT FROM (i.message_id, i.message_at, i.older::jsonb)
RETURNING t.id, o.build_id AS parent_before, (
    o.build_id, o.origin, o.environment_comment, o.environment_compatible, o.environment_misc, o.path, o.comment,
    o.log_url, o.log_excerpt_sha256, o.status, o.number_value, o.number_unit, o.number_prefix, o.start_time,
    o.duration, o.input_files, o.output_files, o.misc
) IS DISTINCT FROM (
    t.build_id, t.origin, t.environment_comment, t.environment_compatible, t.environment_misc, t.path, t.comment,
    t.log_url, t.log_excerpt_sha256, t.status, t.number_value, t.number_unit, t.number_prefix, t.start_time,
    t.duration, t.input_files, t.output_files, t.misc
) AS changed
