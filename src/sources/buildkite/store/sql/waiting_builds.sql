-- waiting_builds
-- Up to $2 builds that have waited since before a time ($1), the oldest first.
SELECT t.id, t.number, t.state, t.blocked_state, t.skipped_from, t.commit, t.branch, t.source, t.repo_host, t.repo_path,
    t.pipeline, t.pipeline_id, t.organization, t.started_at, t.failing_at, t.finished_at, t.event_at, t.message_id
FROM buildkite_builds AS t
WHERE t.state IN ('creating', 'scheduled', 'waiting') AND t.event_at < $1::timestamptz
ORDER BY t.event_at, t.id
LIMIT $2::bigint
