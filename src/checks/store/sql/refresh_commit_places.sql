-- refresh_commit_places
-- Finds the first checks of commits that lost a check. $4: the lanes that have series; those of tags have no branch.
UPDATE commit_places AS t SET first_check_at = f.first_check_at
FROM (SELECT unnest($1::text[]) AS repo, unnest($2::text[]) AS branch, unnest($3::text[]) AS sha) AS i
CROSS JOIN LATERAL (
    SELECT min(c.created_at) AS first_check_at FROM checks AS c
    WHERE c.sha = i.sha AND c.repo = i.repo AND c.lane = ANY ($4::text[])
        AND CASE WHEN c.lane = 'tag' THEN '' ELSE coalesce(c.branch, '') END = i.branch
) AS f
WHERE t.repo = i.repo AND t.branch = i.branch AND t.sha = i.sha AND t.first_check_at IS DISTINCT FROM f.first_check_at
RETURNING t.repo, t.branch, t.sha, t.pushed_at IS NULL AS is_moved
