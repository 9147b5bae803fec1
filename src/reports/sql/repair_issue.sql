-- repair_issue
UPDATE kcidb_issues AS t SET
    message_at = CASE WHEN t.message_at > $2::timestamptz THEN t.received_at ELSE t.message_at END,
    older = (
        SELECT jsonb_agg(CASE WHEN (o.stamp ->> 0)::timestamptz > $2
            THEN jsonb_set(o.stamp, '{0}', to_jsonb(t.received_at)) ELSE o.stamp END ORDER BY o.ordinal)
        FROM jsonb_array_elements(t.older) WITH ORDINALITY AS o (stamp, ordinal)
    )
WHERE t.id = $1::text AND t.message_at > $2
RETURNING t.id
