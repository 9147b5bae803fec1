-- commit_heads
-- The branches and merge requests that a commit is or was the head of, by the hooks of GitLab: since when, and whether
-- another commit has replaced it. target: the branch that a merge request is to be merged into.
SELECT coalesce(p.host, '') AS host, p.repo, p.ref AS branch, NULL::bigint AS mr, NULL::text AS target,
    coalesce(p.first_pushed_at, p.pushed_at) AS pushed_at, n.sha <> p.sha AS is_replaced
FROM gitlab_pushes AS p
CROSS JOIN LATERAL (
    SELECT k.sha FROM gitlab_pushes AS k
    WHERE k.repo = p.repo AND k.ref = p.ref
    ORDER BY k.pushed_at DESC, k.sha DESC
    LIMIT 1
) AS n
WHERE p.sha = $1
UNION ALL
SELECT coalesce(m.host, ''), v.project, m.source_branch, v.iid, m.target_branch, v.created_at,
    m.sha IS NOT NULL AND m.sha <> v.sha
FROM gitlab_mr_versions AS v
JOIN gitlab_merge_requests AS m ON m.project = v.project AND m.iid = v.iid
WHERE v.sha = $1
ORDER BY 2, 3, 4
LIMIT 100
