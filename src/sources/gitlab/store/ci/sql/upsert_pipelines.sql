-- upsert_pipelines
-- The version guard is Pipeline::version; of messages with the same content the earliest counts. What reconcile
-- writes (deleted_at, asked_at) stays.
INSERT INTO gitlab_pipelines AS t (
    host, id, iid, project, project_id, name, status, detailed_status, source, ref, tag, sha, title, stages,
    url, mr_iid, mr_project_id, mr_source_branch, mr_target_branch, merges, parent_project, parent_id,
    username, created_at, finished_at, newest_job, version_at, job_ranks, rank, content, ever_bad, message_id,
    message_at
)
SELECT
    i.host, i.id, i.iid, i.project, i.project_id, i.name, i.status, i.detailed_status, i.source, i.ref, i.tag,
    i.sha, i.title, ARRAY(SELECT jsonb_array_elements_text(i.stages::jsonb)), i.url, i.mr_iid, i.mr_project_id,
    i.mr_source_branch, i.mr_target_branch, i.merges, i.parent_project, i.parent_id, i.username, i.created_at,
    i.finished_at, i.newest_job, i.version_at, i.job_ranks, i.rank, i.content, i.ever_bad, i.message_id,
    i.message_at
FROM (
    SELECT unnest($1::text[]) AS host, unnest($2::bigint[]) AS id, unnest($3::bigint[]) AS iid,
        unnest($4::text[]) AS project, unnest($5::bigint[]) AS project_id, unnest($6::text[]) AS name,
        unnest($7::text[]) AS status, unnest($8::text[]) AS detailed_status, unnest($9::text[]) AS source,
        unnest($10::text[]) AS ref, unnest($11::boolean[]) AS tag, unnest($12::text[]) AS sha,
        unnest($13::text[]) AS title, unnest($14::text[]) AS stages, unnest($15::text[]) AS url,
        unnest($16::bigint[]) AS mr_iid, unnest($17::bigint[]) AS mr_project_id,
        unnest($18::text[]) AS mr_source_branch, unnest($19::text[]) AS mr_target_branch,
        unnest($20::boolean[]) AS merges, unnest($21::text[]) AS parent_project,
        unnest($22::bigint[]) AS parent_id, unnest($23::text[]) AS username,
        unnest($24::timestamptz[]) AS created_at, unnest($25::timestamptz[]) AS finished_at,
        unnest($26::bigint[]) AS newest_job, unnest($27::timestamptz[]) AS version_at,
        unnest($28::bigint[]) AS job_ranks, unnest($29::smallint[]) AS rank, unnest($30::bigint[]) AS content,
        unnest($31::boolean[]) AS ever_bad, unnest($32::text[]) AS message_id,
        unnest($33::timestamptz[]) AS message_at
) AS i
ORDER BY i.host, i.id
ON CONFLICT (host, id) DO UPDATE SET
    iid = excluded.iid, project = excluded.project, project_id = excluded.project_id, name = excluded.name,
    status = excluded.status, detailed_status = excluded.detailed_status, source = excluded.source,
    ref = excluded.ref, tag = excluded.tag, sha = excluded.sha, title = excluded.title,
    stages = excluded.stages, url = excluded.url, mr_iid = excluded.mr_iid,
    mr_project_id = excluded.mr_project_id, mr_source_branch = excluded.mr_source_branch,
    mr_target_branch = excluded.mr_target_branch, merges = excluded.merges,
    parent_project = excluded.parent_project, parent_id = excluded.parent_id, username = excluded.username,
    created_at = excluded.created_at, finished_at = excluded.finished_at, newest_job = excluded.newest_job,
    version_at = excluded.version_at, job_ranks = excluded.job_ranks, rank = excluded.rank,
    content = excluded.content, ever_bad = t.ever_bad OR excluded.ever_bad, message_id = excluded.message_id,
    message_at = excluded.message_at, received_at = now()
WHERE (t.newest_job, t.version_at, t.job_ranks, t.rank, t.content)
        < (excluded.newest_job, excluded.version_at, excluded.job_ranks, excluded.rank, excluded.content)
    OR ((t.newest_job, t.version_at, t.job_ranks, t.rank, t.content)
        = (excluded.newest_job, excluded.version_at, excluded.job_ranks, excluded.rank, excluded.content)
        AND (coalesce(t.message_at, '-infinity'), t.message_id)
            > (coalesce(excluded.message_at, '-infinity'), excluded.message_id))
RETURNING t.host, t.id
