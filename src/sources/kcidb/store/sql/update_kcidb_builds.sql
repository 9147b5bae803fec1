-- update_kcidb_builds
-- Values that do not win are given as null and stay. The rows have been locked by lock_kcidb_builds.
UPDATE kcidb_builds AS t SET
    checkout_id = coalesce(i.checkout_id, t.checkout_id), origin = coalesce(i.origin, t.origin),
    comment = coalesce(i.comment, t.comment), start_time = coalesce(i.start_time, t.start_time),
    duration = coalesce(i.duration, t.duration), architecture = coalesce(i.architecture, t.architecture),
    command = coalesce(i.command, t.command), compiler = coalesce(i.compiler, t.compiler),
    input_files = coalesce(i.input_files::jsonb, t.input_files),
    output_files = coalesce(i.output_files::jsonb, t.output_files),
    config_name = coalesce(i.config_name, t.config_name), config_url = coalesce(i.config_url, t.config_url),
    log_url = coalesce(i.log_url, t.log_url),
    log_excerpt_sha256 = coalesce(i.log_excerpt_sha256, t.log_excerpt_sha256), status = coalesce(i.status, t.status),
    misc = coalesce(i.misc::jsonb, t.misc), message_id = i.message_id, message_at = i.message_at,
    older = i.older::jsonb, received_at = now()
FROM (
    SELECT unnest($1::text[]) AS id, unnest($2::text[]) AS checkout_id, unnest($3::text[]) AS origin,
        unnest($4::text[]) AS comment, unnest($5::timestamptz[]) AS start_time,
        unnest($6::double precision[]) AS duration, unnest($7::text[]) AS architecture, unnest($8::text[]) AS command,
        unnest($9::text[]) AS compiler, unnest($10::text[]) AS input_files, unnest($11::text[]) AS output_files,
        unnest($12::text[]) AS config_name, unnest($13::text[]) AS config_url, unnest($14::text[]) AS log_url,
        unnest($15::bytea[]) AS log_excerpt_sha256, unnest($16::text[]) AS status, unnest($17::text[]) AS misc,
        unnest($18::text[]) AS message_id, unnest($19::timestamptz[]) AS message_at, unnest($20::text[]) AS older
) AS i
JOIN kcidb_builds AS o ON o.id = i.id
WHERE t.id = i.id
    AND (t.message_id, t.message_at, t.older) IS DISTINCT FROM (i.message_id, i.message_at, i.older::jsonb)
RETURNING t.id, o.checkout_id AS parent_before, (
    o.checkout_id, o.origin, o.comment, o.start_time, o.duration, o.architecture, o.command, o.compiler,
    o.input_files, o.output_files, o.config_name, o.config_url, o.log_url, o.log_excerpt_sha256, o.status, o.misc
) IS DISTINCT FROM (
    t.checkout_id, t.origin, t.comment, t.start_time, t.duration, t.architecture, t.command, t.compiler,
    t.input_files, t.output_files, t.config_name, t.config_url, t.log_url, t.log_excerpt_sha256, t.status, t.misc
) AS changed
