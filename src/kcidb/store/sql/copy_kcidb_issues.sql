-- copy_kcidb_issues
-- New ones only. One that somebody else writes meanwhile is a conflict, and all is tried again.
COPY kcidb_issues (
    id, version, origin, categories, report_url, report_subject, culprit_code, culprit_tool, culprit_harness,
    comment, misc, message_id, message_at, older
) FROM STDIN (FORMAT binary)
