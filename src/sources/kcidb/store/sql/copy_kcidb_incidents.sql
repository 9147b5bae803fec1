-- copy_kcidb_incidents
-- Inserts new rows. A row that another transaction inserts meanwhile is a conflict, and the transaction is retried.
COPY kcidb_incidents (
    id, origin, issue_id, issue_version, build_id, test_id, present, comment, misc, message_id, message_at,
    older
) FROM STDIN (FORMAT binary)
