-- insert_builds
-- New builds. The build before, whose end tells whether this one's is a change, is the newest that had ended on the
-- branch; pull requests are no part of that line.
INSERT INTO travis_builds (
    id, repository_id, number, state, previous_state, event_type, branch, commit, pull_request, notifications,
    fast_finish, config_error, created_at, received_at, message_id, message_at
)
SELECT
    i.id, i.repository_id, i.number, i.state,
    coalesce(i.previous_state, (
        SELECT p.state FROM travis_builds AS p
        WHERE p.repository_id = i.repository_id AND p.branch = i.branch AND p.id < i.id
            AND p.event_type IN ('push', 'api', 'cron') AND p.state IN ('passed', 'failed', 'errored', 'canceled')
        ORDER BY p.id DESC LIMIT 1)),
    i.event_type, i.branch, i.commit::jsonb, i.pull_request::jsonb, i.notifications::jsonb, i.fast_finish,
    i.config_error, i.created_at, i.received_at, i.message_id, i.message_at
FROM unnest(
    $1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::text[], $11::boolean[], $12::boolean[], $13::timestamptz[], $14::timestamptz[], $15::text[], $16::timestamptz[]
) AS i (
    id, repository_id, number, state, previous_state, event_type, branch, commit, pull_request, notifications,
    fast_finish, config_error, created_at, received_at, message_id, message_at
)
ORDER BY i.id
ON CONFLICT (id) DO NOTHING
RETURNING id
