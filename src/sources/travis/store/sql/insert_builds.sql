-- insert_builds
-- Inserts new builds. Where their message gives no previous_state, follow_builds finds it.
INSERT INTO travis_builds (
    id, repository_id, number, state, previous_state, event_type, branch, commit, pull_request, notifications,
    fast_finish, config_error, created_at, received_at, message_id, message_at, ever_bad,
    previous_told
)
SELECT
    i.id, i.repository_id, i.number, i.state,
    i.previous_state, i.event_type, i.branch, i.commit::jsonb, i.pull_request::jsonb, i.notifications::jsonb,
    i.fast_finish, i.config_error, i.created_at, i.received_at, i.message_id, i.message_at, i.ever_bad,
    i.previous_told
FROM (
    SELECT unnest($1::bigint[]) AS id, unnest($2::bigint[]) AS repository_id, unnest($3::text[]) AS number,
        unnest($4::text[]) AS state, unnest($5::text[]) AS previous_state, unnest($6::text[]) AS event_type,
        unnest($7::text[]) AS branch, unnest($8::text[]) AS commit, unnest($9::text[]) AS pull_request,
        unnest($10::text[]) AS notifications, unnest($11::boolean[]) AS fast_finish,
        unnest($12::boolean[]) AS config_error, unnest($13::timestamptz[]) AS created_at,
        unnest($14::timestamptz[]) AS received_at, unnest($15::text[]) AS message_id,
        unnest($16::timestamptz[]) AS message_at, unnest($17::boolean[]) AS ever_bad,
        unnest($18::boolean[]) AS previous_told
) AS i
ORDER BY i.id
ON CONFLICT (id) DO NOTHING
RETURNING id
