-- list_runs_of_merge_request
-- Runs for a merge request, newest first.
SELECT r.name, r.type AS kind, r.application, r.component, r.scenario, r.sha, r.project, r.mr_iid, r.event, r.state,
    r.verdict,
    r.message, r.snapshot, r.release_name, r.log_url, r.image_digest, r.created_at, r.started_at, r.finished_at
FROM pipelineruns AS r
WHERE r.project = $1 AND r.mr_iid = $2
ORDER BY r.created_at DESC NULLS LAST, r.name
LIMIT $3
