-- find_build
-- The state of the newest build of a push to the branch of a component.
SELECT p.state AS name
FROM pipelineruns AS p
LEFT JOIN components AS c ON c.name = p.component
WHERE p.component = $1 AND p.type = 'build' AND counts_for(p.event, p.mr_iid, p.target_branch, c.git_revision)
ORDER BY p.created_at DESC
LIMIT 1
