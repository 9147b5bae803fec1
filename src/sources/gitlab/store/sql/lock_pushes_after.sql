-- lock_pushes_after
-- Locks the next pushes after a key, in the order of their keys.
SELECT p.sha, p.repo, p.ref FROM gitlab_pushes AS p
WHERE (p.sha, p.repo, p.ref) > ($1, $2, $3)
ORDER BY p.sha, p.repo, p.ref
LIMIT $4
FOR UPDATE
