-- list_pushes
-- Newest first, after a key if given. A push whose time nobody told is in no order, and not here.
SELECT p.sha, p.repo, p.ref AS branch, p.pushed_at, p.title, p.author, p.pushed_by, p.url, p.commit_count,
    p.changed_files, p.files_complete, p.message_id
FROM gitlab_pushes AS p
WHERE p.pushed_at IS NOT NULL
    AND ($1::text IS NULL OR p.repo = $1)
    AND ($2::text IS NULL OR p.ref = $2)
    AND ($3::text IS NULL OR strpos(lower(concat_ws(' ', p.title, p.author, p.sha, p.repo)), lower($3)) > 0)
    AND ($4::timestamptz IS NULL OR (p.pushed_at, p.sha, p.repo) < ($4, $5::text, $6::text))
ORDER BY p.pushed_at DESC, p.sha DESC, p.repo DESC
LIMIT $7
