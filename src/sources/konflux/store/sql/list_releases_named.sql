-- list_releases_named
-- Releases by their names.
SELECT l.name, l.application, l.component, l.snapshot, l.release_plan, l.target, l.sha, l.project, l.state, l.reason,
    l.message, l.failed_phase, l.failure_reason, l.last_task, l.attempt_count, l.author, l.created_at, l.started_at,
    l.finished_at, l.message_id
FROM releases AS l
WHERE l.name = ANY ($1::text[])
