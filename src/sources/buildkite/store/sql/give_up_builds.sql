-- give_up_builds
-- Marks up to $2 builds as skipped that have waited since before a time ($1), the oldest first: they never start.
WITH old AS MATERIALIZED (
    SELECT b.id FROM buildkite_builds AS b
    WHERE b.state IN ('creating', 'scheduled', 'waiting') AND b.event_at < $1::timestamptz
    ORDER BY b.event_at, b.id
    LIMIT $2::bigint
    FOR UPDATE SKIP LOCKED
)
UPDATE buildkite_builds AS t SET state = 'skipped', skipped_from = t.state
FROM old AS o
WHERE t.id = o.id
RETURNING t.id, t.number, t.state, t.blocked_state, t.skipped_from, t.commit, t.branch, t.source, t.repo_host,
    t.repo_path, t.pipeline, t.pipeline_id, t.organization, t.started_at, t.failing_at, t.finished_at, t.event_at,
    t.message_id
