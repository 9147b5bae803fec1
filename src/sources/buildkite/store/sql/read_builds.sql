-- read_builds
-- The columns of builds that decide their events and commit statuses.
SELECT t.id, t.number, t.state, t.blocked_state, t.skipped_from, t.commit, t.branch, t.source, t.repo_host, t.repo_path,
    t.pipeline, t.pipeline_id, t.organization, t.started_at, t.failing_at, t.finished_at, t.event_at, t.message_id
FROM buildkite_builds AS t
WHERE t.id = ANY ($1::text[])
