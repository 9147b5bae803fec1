-- project_release_checks
-- What the checks of releases are made of.
SELECT r.name, r.release_plan, r.host, r.project, r.sha, r.mr_iid, r.state, r.rank, r.created_at, r.started_at,
    r.finished_at, r.deleted_at, r.message_at
FROM releases AS r
WHERE r.name = ANY ($1::text[])
ORDER BY r.name
