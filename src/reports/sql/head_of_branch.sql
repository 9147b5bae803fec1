-- head_of_branch
-- The newest commit of a branch: by pushes, and where a repository sends none by its checks. A commit is as new as its
-- first check, so that a rerun of an old commit does not make it the newest. That one is found by the commit alone:
-- without statistics, PostgreSQL would read the branch from its beginning.
SELECT h.sha
FROM (
    (SELECT p.sha, 0 AS rank, p.pushed_at AS at FROM gitlab_pushes AS p
    WHERE p.repo = $1 AND p.ref = $2
    ORDER BY p.pushed_at DESC, p.sha DESC
    LIMIT 1)
    UNION ALL
    (SELECT r.sha, 1, f.first_at
    FROM (
        SELECT DISTINCT k.sha FROM (
            SELECT c.sha FROM checks AS c
            WHERE c.repo = $1 AND c.branch = $2 AND c.lane = 'push' AND c.sha IS NOT NULL
            ORDER BY c.created_at DESC
            LIMIT 200
        ) AS k
    ) AS r
    CROSS JOIN LATERAL (
        SELECT min(c.created_at) FILTER (WHERE c.repo = $1 AND c.branch = $2 AND c.lane = 'push') AS first_at
        FROM checks AS c
        WHERE c.sha = r.sha
    ) AS f
    ORDER BY f.first_at DESC, r.sha DESC
    LIMIT 1)
) AS h
ORDER BY h.rank
LIMIT 1
