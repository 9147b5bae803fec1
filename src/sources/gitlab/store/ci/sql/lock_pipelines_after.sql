-- lock_pipelines_after
-- The next pipelines in the order of their keys, locked until the end of the transaction.
SELECT p.host, p.id
FROM gitlab_pipelines AS p
WHERE (p.host, p.id) > ($1, $2::bigint)
ORDER BY p.host, p.id
LIMIT $3
FOR NO KEY UPDATE
