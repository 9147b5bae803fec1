-- update_kcidb_issues
-- Values that do not win are given as null and stay. The rows have been locked by lock_kcidb_issues.
UPDATE kcidb_issues AS t SET
    origin = coalesce(i.origin, t.origin), categories = coalesce(i.categories::jsonb, t.categories),
    report_url = coalesce(i.report_url, t.report_url), report_subject = coalesce(i.report_subject, t.report_subject),
    culprit_code = coalesce(i.culprit_code, t.culprit_code), culprit_tool = coalesce(i.culprit_tool, t.culprit_tool),
    culprit_harness = coalesce(i.culprit_harness, t.culprit_harness), comment = coalesce(i.comment, t.comment),
    misc = coalesce(i.misc::jsonb, t.misc), message_id = i.message_id, message_at = i.message_at,
    older = i.older::jsonb, received_at = now()
FROM (
    SELECT unnest($1::text[]) AS id, unnest($2::bigint[]) AS version, unnest($3::text[]) AS origin,
        unnest($4::text[]) AS categories, unnest($5::text[]) AS report_url, unnest($6::text[]) AS report_subject,
        unnest($7::boolean[]) AS culprit_code, unnest($8::boolean[]) AS culprit_tool,
        unnest($9::boolean[]) AS culprit_harness, unnest($10::text[]) AS comment, unnest($11::text[]) AS misc,
        unnest($12::text[]) AS message_id, unnest($13::timestamptz[]) AS message_at, unnest($14::text[]) AS older
) AS i
JOIN kcidb_issues AS o ON o.id = i.id AND o.version = i.version
WHERE t.id = i.id AND t.version = i.version
    AND (t.message_id, t.message_at, t.older) IS DISTINCT FROM (i.message_id, i.message_at, i.older::jsonb)
RETURNING t.id, t.version, NULL::text AS parent_before, (
    o.origin, o.categories, o.report_url, o.report_subject, o.culprit_code, o.culprit_tool, o.culprit_harness,
    o.comment, o.misc
) IS DISTINCT FROM (
    t.origin, t.categories, t.report_url, t.report_subject, t.culprit_code, t.culprit_tool, t.culprit_harness,
    t.comment, t.misc
) AS changed
