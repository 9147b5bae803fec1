-- lock_commit_places
-- Locks commits on branches, and records when their first checks were created. is_moved: the place of a known commit
-- has changed.
INSERT INTO commit_places AS t (repo, branch, sha, first_check_at)
SELECT i.repo, i.branch, i.sha, i.first_check_at
FROM (
    SELECT unnest($1::text[]) AS repo, unnest($2::text[]) AS branch, unnest($3::text[]) AS sha,
        unnest($4::timestamptz[]) AS first_check_at
) AS i
ORDER BY i.repo, i.branch, i.sha
ON CONFLICT (repo, branch, sha) DO UPDATE SET first_check_at = excluded.first_check_at
-- A row without the condition is locked, too.
WHERE excluded.first_check_at < coalesce(t.first_check_at, 'infinity')
-- xmax is the lock of the row that was there.
RETURNING t.repo, t.branch, t.sha, t.pushed_at IS NULL AND t.xmax::text <> '0' AS is_moved
