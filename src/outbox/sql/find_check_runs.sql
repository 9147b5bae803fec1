-- find_check_runs
SELECT c.target, c.repo, c.sha, c.external_id, c.run_id, c.completed
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS i (target, repo, sha, external_id)
JOIN check_runs AS c ON c.target = i.target AND c.repo = i.repo AND c.sha = i.sha AND c.external_id = i.external_id
