-- repair_travis_build
-- `updated_at` is the time at which the row was written.
UPDATE travis_builds AS t SET
    message_at = CASE WHEN t.message_at > $2::timestamptz THEN t.updated_at ELSE t.message_at END,
    created_at = CASE WHEN t.created_at > $2 THEN t.updated_at ELSE t.created_at END,
    received_at = CASE WHEN t.received_at > $2 THEN t.updated_at ELSE t.received_at END,
    started_at = CASE WHEN t.started_at > $2 THEN t.updated_at ELSE t.started_at END,
    finished_at = CASE WHEN t.finished_at > $2 THEN t.updated_at ELSE t.finished_at END,
    canceled_at = CASE WHEN t.canceled_at > $2 THEN t.updated_at ELSE t.canceled_at END,
    restarted_at = CASE WHEN t.restarted_at > $2 THEN t.updated_at ELSE t.restarted_at END,
    run_at = CASE WHEN t.run_at > $2 THEN t.updated_at ELSE t.run_at END
WHERE t.id = CASE WHEN $1::text ~ '^[0-9]{1,18}$' THEN $1::bigint END
    AND greatest(t.message_at, t.created_at, t.received_at, t.started_at, t.finished_at, t.canceled_at, t.restarted_at,
        t.run_at) > $2
RETURNING t.id
