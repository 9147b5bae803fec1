-- list_buildkite_builds
-- Newest change first, after a position in the list of builds of all systems if given. The text search has no index, so
-- it covers the first 10,000 builds that match the other conditions.
SELECT b.id, b.number, b.state, b.blocked_state, b.commit, b.branch, b.title, b.source, b.repo_host, b.repo_path,
    b.pipeline, b.organization, b.started_at, b.failing_at, b.finished_at, b.event_at, b.detail_type, b.message_id,
    b.message_at
FROM (
    SELECT * FROM buildkite_builds AS k
    WHERE ($1::text[] IS NULL OR k.state = ANY ($1))
        AND ($2::text IS NULL OR $2 IN (k.repo_path, k.pipeline))
        AND ($3::text IS NULL OR k.branch = $3)
        AND ($5::timestamptz IS NULL OR (k.event_at, 'buildkite', k.id) < ($5, $6::text, $7::text))
    ORDER BY k.event_at DESC, k.id DESC
    LIMIT CASE WHEN $4::text IS NULL THEN $8::bigint ELSE 10000 END
) AS b
WHERE $4 IS NULL OR strpos(
    lower(
        concat_ws(' ', b.organization, b.pipeline || '#' || b.number, b.title, b.repo_path, b.branch, b.commit)
        COLLATE "default"
    ),
    lower($4)) > 0
ORDER BY b.event_at DESC, b.id DESC
LIMIT $8
