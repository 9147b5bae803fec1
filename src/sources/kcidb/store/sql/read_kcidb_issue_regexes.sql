-- read_kcidb_issue_regexes
SELECT
    r.id, r.issue_id, r.issue_version, r.package_name_match, r.deleted, r.set_aside, r.message_id, r.message_at,
    ARRAY[
        r.text_match, r.file_name_match, r.test_name_match, r.testresult_name_match, r.architecture_match,
        r.kpet_tree_name_match, r.tree_match
    ] AS filters,
    coalesce(r.issue_version, (SELECT max(i.version) FROM kcidb_issues AS i WHERE i.id = r.issue_id), 0) AS version
FROM kcidb_issue_regexes AS r
ORDER BY r.id
