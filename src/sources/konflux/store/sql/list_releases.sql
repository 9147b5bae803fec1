-- list_releases
-- Newest first, after a position if given. The text search has no index, so it covers the first 10,000 rows that match
-- the other conditions.
SELECT l.name, l.application, l.component, l.snapshot, l.release_plan, l.target, l.sha, l.project, l.state, l.reason,
    l.message, l.failed_phase, l.failure_reason, l.last_task, l.attempt_count, l.author, l.created_at, l.started_at,
    l.finished_at, l.message_id
FROM (
    SELECT * FROM releases AS k
    WHERE k.created_at IS NOT NULL AND k.deleted_at IS NULL
        AND ($1::text IS NULL OR k.state = $1)
        AND ($2::text IS NULL OR k.application = $2)
        AND ($3::text IS NULL OR k.release_plan = $3)
        AND ($5::timestamptz IS NULL OR (k.created_at, k.name) < ($5, $6::text))
    ORDER BY k.created_at DESC, k.name DESC
    LIMIT CASE WHEN $4::text IS NULL THEN $7::bigint ELSE 10000 END
) AS l
WHERE $4 IS NULL OR strpos(
    lower(concat_ws(' ', l.name, l.component, l.snapshot, l.reason, l.failure_reason, l.message) COLLATE "default"),
    lower($4)) > 0
ORDER BY l.created_at DESC, l.name DESC
LIMIT $7
