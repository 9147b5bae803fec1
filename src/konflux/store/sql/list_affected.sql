-- list_affected
-- Components that files of a project belong to: those whose folder holds one of them, and those of the whole project.
SELECT c.name
FROM components AS c
WHERE c.git_project = $2 AND c.deleted_at IS NULL
    AND EXISTS (SELECT FROM unnest($1::text[]) AS f (path)
        WHERE c.git_context = '' OR f.path = c.git_context OR starts_with(f.path, c.git_context || '/'))
ORDER BY c.name
LIMIT 2000
