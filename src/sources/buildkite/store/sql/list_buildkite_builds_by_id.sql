-- list_buildkite_builds_by_id
SELECT b.id, b.number, b.state, b.blocked_state, b.commit, b.branch, b.title, b.source, b.repo_host, b.repo_path,
    b.pipeline, b.organization, b.started_at, b.failing_at, b.finished_at, b.event_at, b.detail_type, b.message_id,
    b.message_at
FROM buildkite_builds AS b
WHERE b.id = ANY ($1::text[])
