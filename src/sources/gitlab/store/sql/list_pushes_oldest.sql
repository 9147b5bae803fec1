-- list_pushes_oldest
-- Oldest first, after a position if given. A push without a known time has no position and is left out. The text search
-- has no index, so it covers the first 10,000 rows that match the other conditions.
SELECT p.sha, p.repo, p.host, p.ref AS branch, p.pushed_at, p.title, p.author, p.pushed_by, p.url, p.commit_count,
    p.changed_files, p.files_complete, p.message_id
FROM (
    SELECT * FROM gitlab_pushes AS k
    WHERE k.pushed_at IS NOT NULL
        AND ($1::text IS NULL OR k.repo = $1)
        AND ($2::text IS NULL OR k.ref = $2)
        AND ($8::text[] IS NULL OR k.repo = ANY ($8))
        AND ($4::timestamptz IS NULL OR (k.pushed_at, k.sha, k.repo) > ($4, $5::text, $6::text))
    ORDER BY k.pushed_at, k.sha, k.repo
    LIMIT CASE WHEN $3::text IS NULL THEN $7::bigint ELSE 10000 END
) AS p
WHERE $3 IS NULL OR strpos(lower(concat_ws(' ', p.title, p.author, p.sha, p.repo) COLLATE "default"), lower($3)) > 0
ORDER BY p.pushed_at, p.sha, p.repo
LIMIT $7
