-- announced_verdicts
-- The verdicts of commits as they were last.
SELECT v.host, v.repo, v.sha, v.verdict, v.due_at
FROM (SELECT unnest($1::text[]) AS repo, unnest($2::text[]) AS sha) AS i
JOIN verdicts AS v ON v.sha = i.sha AND v.repo = i.repo
ORDER BY v.sha, v.repo, v.host
FOR UPDATE OF v
