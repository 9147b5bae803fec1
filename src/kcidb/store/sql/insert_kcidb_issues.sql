-- insert_kcidb_issues
-- New ones only: those that are there are locked and updated.
INSERT INTO kcidb_issues (
    id, version, origin, categories, report_url, report_subject, culprit_code, culprit_tool, culprit_harness,
    comment, misc, message_id, message_at, older
)
SELECT
    i.id, i.version, i.origin, i.categories::jsonb, i.report_url, i.report_subject, i.culprit_code, i.culprit_tool,
    i.culprit_harness, i.comment, i.misc::jsonb, i.message_id, i.message_at, i.older::jsonb
FROM unnest(
    $1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::boolean[], $8::boolean[],
    $9::boolean[], $10::text[], $11::text[], $12::text[], $13::timestamptz[], $14::text[]
) AS i (
    id, version, origin, categories, report_url, report_subject, culprit_code, culprit_tool, culprit_harness,
    comment, misc, message_id, message_at, older
)
ORDER BY i.id, i.version
ON CONFLICT (id, version) DO NOTHING
RETURNING id, version
