-- children_of_pipeline
SELECT p.host, p.id, p.project, p.status, p.source
FROM gitlab_pipelines AS p
WHERE p.host = $1 AND p.parent_id = $2::bigint
ORDER BY p.id
LIMIT 100
