-- upsert_verdicts
-- Records verdicts. The process that does so holds the lock of take_verdict_changes.
INSERT INTO verdicts AS t (host, repo, sha, verdict, due_at)
SELECT i.host, i.repo, i.sha, i.verdict, i.due_at
FROM (
    SELECT unnest($1::text[]) AS host, unnest($2::text[]) AS repo, unnest($3::text[]) AS sha,
        unnest($4::text[]) AS verdict, unnest($5::timestamptz[]) AS due_at
) AS i
ORDER BY i.sha, i.repo, i.host
ON CONFLICT (sha, repo, host) DO UPDATE SET
    verdict = excluded.verdict, due_at = excluded.due_at
WHERE (t.verdict, t.due_at) IS DISTINCT FROM (excluded.verdict, excluded.due_at)
RETURNING t.sha
