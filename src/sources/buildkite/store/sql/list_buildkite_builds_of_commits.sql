-- list_buildkite_builds_of_commits
-- Newest change first.
SELECT b.id, b.number, b.state, b.blocked_state, b.commit, b.branch, b.title, b.source, b.repo_host, b.repo_path,
    b.pipeline, b.organization, b.started_at, b.failing_at, b.finished_at, b.event_at, b.detail_type, b.message_id,
    b.message_at
FROM buildkite_builds AS b
WHERE b.commit = ANY ($1::text[])
ORDER BY b.event_at DESC, b.id DESC
LIMIT $2
