-- list_buildkite_builds_oldest
-- Oldest change first, after a place in the list of the builds of all systems if given.
SELECT b.id, b.number, b.state, b.blocked_state, b.commit, b.branch, b.title, b.source, b.repo_host, b.repo_path, b.pipeline,
    b.organization, b.started_at, b.failing_at, b.finished_at, b.event_at, b.detail_type, b.message_id, b.message_at
FROM buildkite_builds AS b
WHERE ($1::text[] IS NULL OR b.state = ANY ($1))
    AND ($2::text IS NULL OR $2 IN (b.repo_path, b.pipeline))
    AND ($3::text IS NULL OR b.branch = $3)
    AND ($4::text IS NULL OR strpos(
        lower(concat_ws(' ', b.organization, b.pipeline || '#' || b.number, b.title, b.repo_path, b.branch, b.commit) COLLATE "default"),
        lower($4)) > 0)
    AND ($5::timestamptz IS NULL OR b.event_at >= $5)
    AND ($6::timestamptz IS NULL OR (b.event_at, 'buildkite', b.id) > ($6, $7::text, $8::text))
ORDER BY b.event_at, b.id
LIMIT $9
