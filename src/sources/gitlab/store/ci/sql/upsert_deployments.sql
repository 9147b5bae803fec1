-- upsert_deployments
-- The version guard is Deployment::version; of messages with the same content the earliest counts.
INSERT INTO gitlab_deployments AS t (
    host, id, project, project_id, environment, tier, environment_url, status, job_id, job_url, ref, sha,
    title, commit_url, username, changed_at, version_at, rank, content, message_id, message_at
)
SELECT
    i.host, i.id, i.project, i.project_id, i.environment, i.tier, i.environment_url, i.status, i.job_id,
    i.job_url, i.ref, i.sha, i.title, i.commit_url, i.username, i.changed_at, i.version_at, i.rank, i.content,
    i.message_id, i.message_at
FROM (
    SELECT unnest($1::text[]) AS host, unnest($2::text[]) AS id, unnest($3::text[]) AS project,
        unnest($4::bigint[]) AS project_id, unnest($5::text[]) AS environment, unnest($6::text[]) AS tier,
        unnest($7::text[]) AS environment_url, unnest($8::text[]) AS status, unnest($9::bigint[]) AS job_id,
        unnest($10::text[]) AS job_url, unnest($11::text[]) AS ref, unnest($12::text[]) AS sha,
        unnest($13::text[]) AS title, unnest($14::text[]) AS commit_url, unnest($15::text[]) AS username,
        unnest($16::timestamptz[]) AS changed_at, unnest($17::timestamptz[]) AS version_at,
        unnest($18::smallint[]) AS rank, unnest($19::bigint[]) AS content, unnest($20::text[]) AS message_id,
        unnest($21::timestamptz[]) AS message_at
) AS i
ORDER BY i.host, i.id
ON CONFLICT (host, id) DO UPDATE SET
    project = excluded.project, project_id = excluded.project_id, environment = excluded.environment,
    tier = excluded.tier, environment_url = excluded.environment_url, status = excluded.status,
    job_id = excluded.job_id, job_url = excluded.job_url, ref = excluded.ref, sha = excluded.sha,
    title = excluded.title, commit_url = excluded.commit_url, username = excluded.username,
    changed_at = excluded.changed_at, version_at = excluded.version_at, rank = excluded.rank,
    content = excluded.content, message_id = excluded.message_id, message_at = excluded.message_at,
    received_at = now()
WHERE (t.version_at, t.rank, t.content)
        < (excluded.version_at, excluded.rank, excluded.content)
    OR ((t.version_at, t.rank, t.content)
        = (excluded.version_at, excluded.rank, excluded.content)
        AND (coalesce(t.message_at, '-infinity'), t.message_id)
            > (coalesce(excluded.message_at, '-infinity'), excluded.message_id))
RETURNING t.host, t.id
