-- list_pipelines
-- Newest change first, after a position if given. The text search has no index, so it covers the first 10,000 pipelines
-- that match the other conditions. state, commit: those of the check; a child has none. mr: mr_iid, if that merge
-- request is known. failed_*: the last job that failed.
SELECT p.host, p.id, p.iid, p.project, p.name, p.status, p.source, p.ref AS branch, p.sha, c.sha AS commit, p.title,
    p.url, p.mr_iid, m.iid AS mr, p.username, p.created_at, p.version_at, c.started_at, c.finished_at, c.state,
    f.check_name AS failed_job, f.failure_reason
FROM (
    SELECT * FROM gitlab_pipelines AS k
    WHERE ($1::text[] IS NULL OR k.status = ANY ($1))
        AND ($2::text IS NULL OR k.project = $2)
        AND ($3::text IS NULL OR k.ref = $3)
        AND ($5::timestamptz IS NULL OR (k.version_at, k.host, k.id) < ($5, $6::text, $7::bigint))
    ORDER BY k.version_at DESC, k.host DESC, k.id DESC
    LIMIT CASE WHEN $4::text IS NULL THEN $8::bigint ELSE 10000 END
) AS p
LEFT JOIN checks AS c ON c.system = 'gitlab' AND c.kind = 'gitlab_pipelines' AND c.key = p.host || '/' || p.id
LEFT JOIN gitlab_merge_requests AS m ON m.project = p.project AND m.iid = p.mr_iid
    AND coalesce(p.mr_project_id, p.project_id) IS NOT DISTINCT FROM p.project_id
LEFT JOIN LATERAL (
    SELECT j.check_name, j.failure_reason FROM gitlab_jobs AS j
    WHERE j.host = p.host AND j.pipeline_id = p.id AND j.status = 'failed' AND NOT j.allow_failure
        AND p.status NOT IN ('success', 'skipped')
    ORDER BY j.id DESC
    LIMIT 1
) AS f ON true
WHERE $4 IS NULL OR strpos(
    lower(concat_ws(' ', p.project, p.id, p.name, p.title, p.ref, p.sha, '!' || p.mr_iid) COLLATE "default"),
    lower($4)) > 0
ORDER BY p.version_at DESC, p.host DESC, p.id DESC
LIMIT $8
