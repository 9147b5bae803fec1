-- upsert_kcidb_issue_regexes
-- Version guard: the newest message replaces all columns.
INSERT INTO kcidb_issue_regexes AS t (
    id, issue_id, issue_version, text_match, file_name_match, test_name_match, testresult_name_match,
    architecture_match, kpet_tree_name_match, tree_match, package_name_match, deleted, message_id, message_at
)
SELECT
    i.id, i.issue_id, i.issue_version, i.text_match, i.file_name_match, i.test_name_match, i.testresult_name_match,
    i.architecture_match, i.kpet_tree_name_match, i.tree_match, i.package_name_match, i.deleted, i.message_id,
    i.message_at
FROM (
    SELECT unnest($1::text[]) AS id, unnest($2::text[]) AS issue_id, unnest($3::bigint[]) AS issue_version,
        unnest($4::text[]) AS text_match, unnest($5::text[]) AS file_name_match, unnest($6::text[]) AS test_name_match,
        unnest($7::text[]) AS testresult_name_match, unnest($8::text[]) AS architecture_match,
        unnest($9::text[]) AS kpet_tree_name_match, unnest($10::text[]) AS tree_match,
        unnest($11::text[]) AS package_name_match, unnest($12::boolean[]) AS deleted, unnest($13::text[]) AS message_id,
        unnest($14::timestamptz[]) AS message_at
) AS i
ORDER BY i.id
ON CONFLICT (id) DO UPDATE SET
    issue_id = excluded.issue_id,
    issue_version = excluded.issue_version,
    text_match = excluded.text_match,
    file_name_match = excluded.file_name_match,
    test_name_match = excluded.test_name_match,
    testresult_name_match = excluded.testresult_name_match,
    architecture_match = excluded.architecture_match,
    kpet_tree_name_match = excluded.kpet_tree_name_match,
    tree_match = excluded.tree_match,
    package_name_match = excluded.package_name_match,
    deleted = excluded.deleted,
    message_id = excluded.message_id,
    message_at = excluded.message_at,
    set_aside = NULL,
    received_at = now()
WHERE (coalesce(t.message_at, '-infinity'), t.message_id)
    < (coalesce(excluded.message_at, '-infinity'), excluded.message_id)
RETURNING id
