-- upsert_default_branches
-- The newest message decides; of two at one time, the greater values.
INSERT INTO repositories AS t (host, repo, upstream_id, default_branch, said_at)
SELECT i.host, i.repo, i.upstream_id, i.default_branch, i.said_at
FROM (
    SELECT unnest($1::text[]) AS host, unnest($2::text[]) AS repo, unnest($3::text[]) AS upstream_id,
        unnest($4::text[]) AS default_branch, unnest($5::timestamptz[]) AS said_at
) AS i
ORDER BY i.host, i.repo
ON CONFLICT (host, repo) DO UPDATE SET
    upstream_id = excluded.upstream_id, default_branch = excluded.default_branch, said_at = excluded.said_at
WHERE (t.said_at, t.default_branch, coalesce(t.upstream_id, ''))
    < (excluded.said_at, excluded.default_branch, coalesce(excluded.upstream_id, ''))
RETURNING t.host, t.repo
