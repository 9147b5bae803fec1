-- place_pushes
-- Records when pushes made commits the heads of branches; NULL for pushes that are not known any more. The commits are
-- locked.
UPDATE commit_places AS t SET pushed_at = i.pushed_at
FROM (
    SELECT unnest($1::text[]) AS repo, unnest($2::text[]) AS branch, unnest($3::text[]) AS sha,
        unnest($4::timestamptz[]) AS pushed_at
) AS i
WHERE t.repo = i.repo AND t.branch = i.branch AND t.sha = i.sha AND t.pushed_at IS DISTINCT FROM i.pushed_at
RETURNING t.repo, t.branch, t.sha, t.first_check_at IS NOT NULL AS is_moved
