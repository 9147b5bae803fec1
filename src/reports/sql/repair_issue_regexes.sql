-- repair_issue_regexes
UPDATE kcidb_issue_regexes AS t SET
    message_at = CASE WHEN t.message_at > $2::timestamptz THEN t.received_at ELSE t.message_at END
WHERE t.issue_id = $1::text AND t.message_at > $2
RETURNING t.id
