-- project_pipelines
-- What the checks of pipelines and of their jobs are made of. top_source, mr_*, merges: of a child also what its
-- parents say.
-- has_failed, has_warned: whether the newest attempt of a job failed that may not fail, or that may. was_bad: whether
-- any attempt failed that may not. head_sha: the head of the merge request when the pipeline was created. is_replaced:
-- its ref has a later pipeline. is_own: it is made of commit statuses that this program posts.
SELECT
    p.host, p.id, p.project, p.project_id, p.status, p.detailed_status, p.source,
    coalesce(g.source, f.source, p.source) AS top_source, p.ref, p.tag, p.sha, p.url,
    p.merges OR coalesce(f.merges, g.merges, false) AS merges,
    coalesce(p.mr_iid, f.mr_iid, g.mr_iid) AS mr_iid,
    coalesce(p.mr_project_id, f.mr_project_id, g.mr_project_id) AS mr_project_id,
    coalesce(p.mr_source_branch, f.mr_source_branch, g.mr_source_branch) AS mr_source_branch,
    coalesce(p.mr_target_branch, f.mr_target_branch, g.mr_target_branch) AS mr_target_branch,
    p.created_at, p.finished_at, p.version_at, p.ever_bad, p.deleted_at, j.merge_ref, j.started_at,
    coalesce(j.has_failed, false) AS has_failed, coalesce(j.has_warned, false) AS has_warned,
    coalesce(j.was_bad, false) AS was_bad, h.sha AS head_sha,
    p.status = 'canceled' AND EXISTS (
        SELECT FROM gitlab_pipelines AS n
        WHERE n.host = p.host AND n.project_id = p.project_id AND n.ref = p.ref AND n.source = p.source
            AND n.id > p.id
    ) AS is_replaced,
    p.source = 'external' AND EXISTS (
        SELECT FROM commit_statuses AS s WHERE s.sha = p.sha AND s.repo = p.project
    ) AND NOT EXISTS (
        SELECT FROM gitlab_jobs AS k
        WHERE k.host = p.host AND k.pipeline_id = p.id AND NOT EXISTS (
            SELECT FROM commit_statuses AS s
            WHERE s.sha = p.sha AND s.repo = p.project AND s.context = lower(k.name)
        )
    ) AS is_own
FROM unnest($1::text[], $2::bigint[]) AS i (host, id)
JOIN gitlab_pipelines AS p ON p.host = i.host AND p.id = i.id
LEFT JOIN gitlab_pipelines AS f ON f.host = p.host AND f.id = p.parent_id AND p.source = 'parent_pipeline'
LEFT JOIN gitlab_pipelines AS g ON g.host = f.host AND g.id = f.parent_id AND f.source = 'parent_pipeline'
LEFT JOIN LATERAL (
    SELECT bool_or(k.number = 1 AND k.status = 'failed' AND NOT k.allow_failure) AS has_failed,
        bool_or(k.number = 1 AND k.status = 'failed' AND k.allow_failure) AS has_warned,
        bool_or(k.ever_bad) AS was_bad, max(k.merge_ref) AS merge_ref, min(k.started_at) AS started_at
    FROM (
        SELECT b.status, b.allow_failure, b.ever_bad, b.merge_ref, b.started_at,
            row_number() OVER (PARTITION BY b.stage, b.name ORDER BY b.id DESC) AS number
        FROM gitlab_jobs AS b
        WHERE b.host = p.host AND b.pipeline_id = p.id
    ) AS k
) AS j ON true
LEFT JOIN LATERAL (
    SELECT v.sha FROM gitlab_mr_versions AS v
    WHERE v.project = p.project AND v.iid = coalesce(p.mr_iid, f.mr_iid, g.mr_iid) AND v.created_at <= p.created_at
    ORDER BY v.created_at DESC, v.sha
    LIMIT 1
) AS h ON true
ORDER BY p.host, p.id
