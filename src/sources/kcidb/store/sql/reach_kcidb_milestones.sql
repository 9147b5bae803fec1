-- reach_kcidb_milestones
-- Returns the milestones that had not been reached before: the key makes each of them happen once.
INSERT INTO kcidb_milestones (checkout_id, milestone, overdue)
SELECT i.checkout_id, i.milestone, i.overdue
FROM unnest($1::text[], $2::text[], $3::boolean[]) AS i (checkout_id, milestone, overdue)
ORDER BY i.checkout_id, i.milestone
ON CONFLICT (checkout_id, milestone) DO NOTHING
RETURNING checkout_id, milestone
