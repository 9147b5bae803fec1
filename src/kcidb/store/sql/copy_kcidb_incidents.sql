-- copy_kcidb_incidents
-- New ones only. One that somebody else writes meanwhile is a conflict, and all is tried again.
COPY kcidb_incidents (
    id, origin, issue_id, issue_version, build_id, test_id, present, comment, misc, message_id, message_at,
    older
) FROM STDIN (FORMAT binary)
