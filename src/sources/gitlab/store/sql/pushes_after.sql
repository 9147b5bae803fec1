-- pushes_after
-- The pushes of the next commits after one ($1), at least $2 of them: what they say of their repositories.
SELECT p.sha, p.repo, p.host, p.project_id, p.default_branch, p.committed_at, p.message_at
FROM gitlab_pushes AS p
WHERE p.sha > $1
ORDER BY p.sha
FETCH FIRST ($2::bigint) ROWS WITH TIES
