-- insert_kcidb_incidents
-- New ones only: those that are there are locked and updated.
INSERT INTO kcidb_incidents (
    id, origin, issue_id, issue_version, build_id, test_id, present, comment, misc, message_id, message_at, older
)
SELECT
    i.id, i.origin, i.issue_id, i.issue_version, i.build_id, i.test_id, i.present, i.comment, i.misc::jsonb,
    i.message_id, i.message_at, i.older::jsonb
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::boolean[], $8::text[], $9::text[],
    $10::text[], $11::timestamptz[], $12::text[]
) AS i (
    id, origin, issue_id, issue_version, build_id, test_id, present, comment, misc, message_id, message_at, older
)
ORDER BY i.id
ON CONFLICT (id) DO NOTHING
RETURNING id
