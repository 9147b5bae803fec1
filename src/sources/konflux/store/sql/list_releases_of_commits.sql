-- list_releases_of_commits
-- Releases of some commits, or of their snapshots, newest first.
SELECT l.name, l.application, l.component, l.snapshot, l.release_plan, l.target, l.sha, l.project, l.state, l.reason,
    l.message, l.failed_phase, l.failure_reason, l.last_task, l.attempt_count, l.author, l.created_at, l.started_at,
    l.finished_at, l.message_id
FROM releases AS l
WHERE l.name IN (
    SELECT a.name FROM releases AS a JOIN snapshots AS s ON s.name = a.snapshot WHERE s.sha = ANY ($1::text[])
    UNION SELECT b.name FROM releases AS b WHERE b.sha = ANY ($1)
)
ORDER BY l.created_at DESC NULLS LAST, l.name
LIMIT 1000
