-- default_branch
-- The default branch of a repository: as its host says, else the one of `main` and `master` that has a check.
SELECT b.branch
FROM (
    (SELECT r.default_branch AS branch, 0 AS rank FROM repositories AS r
    WHERE r.repo = $1
    ORDER BY r.said_at DESC
    LIMIT 1)
    UNION ALL
    (SELECT 'main', 1 WHERE EXISTS (SELECT FROM checks AS c WHERE c.repo = $1 AND c.branch = 'main'))
    UNION ALL
    (SELECT 'master', 2)
) AS b
ORDER BY b.rank
LIMIT 1
