-- kcidb_list_builds
-- Builds of a checkout: failed ones first, then those without a result.
SELECT b.id, b.checkout_id, b.origin, b.architecture, b.compiler, b.config_name, b.config_url, b.command, b.comment,
    b.status, b.start_time, b.duration, b.log_url, b.message_id, b.message_at
FROM kcidb_builds AS b
WHERE b.checkout_id = $1
ORDER BY coalesce(array_position($2::text[], b.status), 2), b.id
LIMIT $3
