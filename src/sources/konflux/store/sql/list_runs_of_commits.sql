-- list_runs_of_commits
-- The newest run of each build and test of some commits.
SELECT DISTINCT ON (r.sha, r.type, r.component, r.scenario)
    r.name, r.type AS kind, r.application, r.component, r.scenario, r.sha, r.project, r.mr_iid, r.event, r.state,
    r.verdict, r.message, r.snapshot, r.release_name, r.log_url, r.image_digest, r.created_at, r.started_at,
    r.finished_at
FROM pipelineruns AS r
WHERE r.sha = ANY ($1::text[]) AND r.type IN ('build', 'test')
ORDER BY r.sha, r.type, r.component, r.scenario, r.created_at DESC NULLS LAST, r.name
LIMIT 5000
