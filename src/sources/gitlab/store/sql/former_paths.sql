-- former_paths
-- Former paths of projects that no other project has now: the forge still redirects from them.
SELECT n.path AS project, f.path AS former
FROM gitlab_projects AS n
JOIN gitlab_projects AS f ON f.host = n.host AND f.project_id = n.project_id AND f.path <> n.path
WHERE n.path = ANY ($1::text[]) AND n.is_owner
    AND NOT EXISTS (SELECT FROM gitlab_projects AS o WHERE o.path = f.path AND o.is_owner)
ORDER BY 1, 2
