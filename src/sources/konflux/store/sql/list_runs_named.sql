-- list_runs_named
-- Runs by their names.
SELECT r.name, r.type AS kind, r.application, r.component, r.scenario, r.sha, r.project, r.mr_iid, r.event, r.state,
    r.verdict, r.message, r.snapshot, r.release_name, r.log_url, r.image_digest, r.created_at, r.started_at,
    r.finished_at
FROM pipelineruns AS r
WHERE r.name = ANY ($1::text[])
