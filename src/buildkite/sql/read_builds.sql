-- read_builds
-- What decides which commit is told of a build, and by whom.
SELECT t.id, t.number, t.state, t.blocked_state, t.commit, t.branch, t.source, t.repo_host, t.repo_path, t.pipeline,
    t.organization, t.event_at, t.message_id
FROM buildkite_builds AS t
WHERE t.id = ANY ($1::text[])
