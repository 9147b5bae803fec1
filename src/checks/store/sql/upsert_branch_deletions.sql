-- upsert_branch_deletions
-- Records deletions of branches. Of the messages about one deletion the earliest counts.
INSERT INTO branch_deletions AS t (repo, branch, before_sha, deleted_at)
SELECT i.repo, i.branch, i.before_sha, i.deleted_at
FROM (
    SELECT unnest($1::text[]) AS repo, unnest($2::text[]) AS branch, unnest($3::text[]) AS before_sha,
        unnest($4::timestamptz[]) AS deleted_at
) AS i
ORDER BY i.repo, i.branch, i.before_sha
ON CONFLICT (repo, branch, before_sha) DO UPDATE SET deleted_at = excluded.deleted_at
WHERE excluded.deleted_at < t.deleted_at
RETURNING t.repo, t.branch, t.before_sha
