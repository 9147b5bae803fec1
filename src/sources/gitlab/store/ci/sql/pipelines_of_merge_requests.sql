-- pipelines_of_merge_requests
-- The pipelines of merge requests, by the paths and numbers of these, whose commit merges the request for a try.
SELECT DISTINCT p.host, p.id
FROM unnest($1::text[], $2::bigint[]) AS i (project, iid)
JOIN gitlab_pipelines AS p ON p.project = i.project AND p.mr_iid = i.iid
WHERE p.merges OR EXISTS (
    SELECT FROM gitlab_jobs AS j WHERE j.host = p.host AND j.pipeline_id = p.id AND j.merge_ref = 'merge'
)
ORDER BY p.host, p.id
