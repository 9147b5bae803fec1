-- list_projects
-- Projects that have components of an application.
SELECT DISTINCT c.git_project AS name
FROM components AS c
WHERE c.application = $1 AND c.deleted_at IS NULL AND c.git_project IS NOT NULL
ORDER BY 1
