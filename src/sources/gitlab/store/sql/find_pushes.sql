-- find_pushes
-- All pushes of a commit.
SELECT p.sha, p.repo, p.host, p.ref AS branch, p.pushed_at, p.title, p.author, p.pushed_by, p.url, p.commit_count,
    p.changed_files, p.files_complete, p.message_id
FROM gitlab_pushes AS p
WHERE p.sha = $1
ORDER BY p.pushed_at, p.repo, p.ref
