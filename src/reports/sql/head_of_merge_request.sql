-- head_of_merge_request
-- The newest commit of a merge request: its head by the hooks of GitLab, else by its checks, as in head_of_branch.
SELECT h.sha
FROM (
    (SELECT m.sha, 0 AS rank FROM gitlab_merge_requests AS m
    WHERE m.project = $1 AND m.iid = $2 AND m.sha IS NOT NULL)
    UNION ALL
    (SELECT r.sha, 1
    FROM (
        SELECT DISTINCT k.sha FROM (
            SELECT c.sha FROM checks AS c
            WHERE c.repo = $1 AND c.mr = $2 AND c.sha IS NOT NULL
            ORDER BY c.created_at DESC
            LIMIT 200
        ) AS k
    ) AS r
    CROSS JOIN LATERAL (
        SELECT min(c.created_at) FILTER (WHERE c.repo = $1 AND c.mr = $2) AS first_at
        FROM checks AS c
        WHERE c.sha = r.sha
    ) AS f
    ORDER BY f.first_at DESC, r.sha DESC
    LIMIT 1)
) AS h
ORDER BY h.rank
LIMIT 1
