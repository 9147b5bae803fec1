-- list_releases
-- Newest first, after a key if given.
SELECT l.name, l.application, l.component, l.snapshot, l.release_plan, l.target, l.sha, l.project, l.state, l.reason, l.message,
    l.failed_phase, l.failure_reason, l.last_task, l.attempt_count, l.author, l.created_at, l.started_at, l.finished_at,
    l.message_id
FROM releases AS l
WHERE l.created_at IS NOT NULL AND l.deleted_at IS NULL
    AND ($1::text IS NULL OR l.state = $1)
    AND ($2::text IS NULL OR l.application = $2)
    AND ($3::text IS NULL OR l.release_plan = $3)
    AND ($4::text IS NULL OR strpos(
        lower(concat_ws(' ', l.name, l.component, l.snapshot, l.reason, l.failure_reason, l.message)), lower($4)) > 0)
    AND ($5::timestamptz IS NULL OR (l.created_at, l.name) < ($5, $6::text))
ORDER BY l.created_at DESC, l.name DESC
LIMIT $7
