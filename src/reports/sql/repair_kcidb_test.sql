-- repair_kcidb_test
UPDATE kcidb_tests AS t SET
    message_at = CASE WHEN t.message_at > $2::timestamptz THEN t.received_at ELSE t.message_at END,
    start_time = CASE WHEN t.start_time > $2 THEN t.received_at ELSE t.start_time END,
    older = (
        SELECT jsonb_agg(CASE WHEN (o.stamp ->> 0)::timestamptz > $2
            THEN jsonb_set(o.stamp, '{0}', to_jsonb(t.received_at)) ELSE o.stamp END ORDER BY o.ordinal)
        FROM jsonb_array_elements(t.older) WITH ORDINALITY AS o (stamp, ordinal)
    )
WHERE t.id = $1::text AND greatest(t.message_at, t.start_time) > $2
RETURNING t.id
