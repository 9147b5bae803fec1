-- push_times
-- When pushes made commits the heads of branches last.
SELECT p.repo, p.ref, p.sha, p.pushed_at
FROM (SELECT unnest($1::text[]) AS repo, unnest($2::text[]) AS ref, unnest($3::text[]) AS sha) AS i
JOIN gitlab_pushes AS p ON p.sha = i.sha AND p.repo = i.repo AND p.ref = i.ref
