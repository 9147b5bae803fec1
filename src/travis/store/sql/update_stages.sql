-- update_stages
-- Stages of builds that are locked.
UPDATE travis_stages AS t SET
    state = i.state, started_at = i.started_at, finished_at = i.finished_at, message_id = i.message_id,
    message_at = i.message_at, updated_at = now()
FROM unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::timestamptz[])
    AS i (id, state, started_at, finished_at, message_id, message_at)
WHERE t.id = i.id
RETURNING t.id
