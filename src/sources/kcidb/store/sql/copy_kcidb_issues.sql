-- copy_kcidb_issues
-- Inserts new rows. A row that another transaction inserts meanwhile is a conflict, and the transaction is retried.
COPY kcidb_issues (
    id, version, origin, categories, report_url, report_subject, culprit_code, culprit_tool, culprit_harness,
    comment, misc, message_id, message_at, older
) FROM STDIN (FORMAT binary)
