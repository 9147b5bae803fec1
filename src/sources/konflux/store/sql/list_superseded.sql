-- list_superseded
-- Snapshots that were released as part of a newer one since a time ($1), newest first. These are no failures.
SELECT s.name, s.application, s.component, s.release_message, s.created_at
FROM snapshots AS s
WHERE s.release_state = 'superseded' AND s.created_at >= $1
ORDER BY s.created_at DESC
LIMIT 20
