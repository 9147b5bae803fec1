-- update_kcidb_incidents
-- Values that do not win are given as null and stay. The rows have been locked by lock_kcidb_incidents.
UPDATE kcidb_incidents AS t SET
    origin = coalesce(i.origin, t.origin), issue_id = coalesce(i.issue_id, t.issue_id),
    issue_version = coalesce(i.issue_version, t.issue_version), build_id = coalesce(i.build_id, t.build_id),
    test_id = coalesce(i.test_id, t.test_id), present = coalesce(i.present, t.present),
    comment = coalesce(i.comment, t.comment), misc = coalesce(i.misc::jsonb, t.misc), message_id = i.message_id,
    message_at = i.message_at, older = i.older::jsonb, received_at = now()
FROM (
    SELECT unnest($1::text[]) AS id, unnest($2::text[]) AS origin, unnest($3::text[]) AS issue_id,
        unnest($4::bigint[]) AS issue_version, unnest($5::text[]) AS build_id, unnest($6::text[]) AS test_id,
        unnest($7::boolean[]) AS present, unnest($8::text[]) AS comment, unnest($9::text[]) AS misc,
        unnest($10::text[]) AS message_id, unnest($11::timestamptz[]) AS message_at, unnest($12::text[]) AS older
) AS i
JOIN kcidb_incidents AS o ON o.id = i.id
WHERE t.id = i.id
    AND (t.message_id, t.message_at, t.older) IS DISTINCT FROM (i.message_id, i.message_at, i.older::jsonb)
RETURNING t.id, NULL::text AS parent_before, (
    o.origin, o.issue_id, o.issue_version, o.build_id, o.test_id, o.present, o.comment, o.misc
) IS DISTINCT FROM (
    t.origin, t.issue_id, t.issue_version, t.build_id, t.test_id, t.present, t.comment, t.misc
) AS changed
