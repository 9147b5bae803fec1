-- keep_check_runs
-- GitHub numbers check runs in the order of their creation, and completes each once.
INSERT INTO check_runs AS t (target, repo, sha, external_id, run_id, completed)
SELECT i.target, i.repo, i.sha, i.external_id, i.run_id, i.completed
FROM (
    SELECT unnest($1::text[]) AS target, unnest($2::text[]) AS repo, unnest($3::text[]) AS sha,
        unnest($4::text[]) AS external_id, unnest($5::bigint[]) AS run_id, unnest($6::boolean[]) AS completed
) AS i
ORDER BY i.target, i.repo, i.sha, i.external_id
ON CONFLICT (target, repo, sha, external_id) DO UPDATE SET
    run_id = excluded.run_id,
    completed = excluded.completed,
    updated_at = now()
WHERE (t.run_id, t.completed) < (excluded.run_id, excluded.completed)
