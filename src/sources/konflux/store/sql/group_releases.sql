-- group_releases
-- Failed releases since a time ($1), grouped by plan, phase, reason and last task.
SELECT coalesce(l.release_plan, '') AS release_plan, coalesce(l.failed_phase, '') AS failed_phase,
    coalesce(l.failure_reason, l.reason, '') AS reason, coalesce(l.last_task, '') AS last_task,
    count(*) AS releases, max(l.created_at) AS newest
FROM releases AS l
WHERE l.state = 'failed' AND l.created_at >= $1 AND l.deleted_at IS NULL
GROUP BY 1, 2, 3, 4
ORDER BY count(*) DESC, max(l.created_at) DESC
LIMIT 20
