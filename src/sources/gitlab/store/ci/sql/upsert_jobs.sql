-- upsert_jobs
-- The version guard is Job::version. Of messages of one version the content decides, and for the status the time: of
-- the statuses that they give the job the one whose earliest message is the latest (said).
INSERT INTO gitlab_jobs AS t (
    host, id, pipeline_id, project, project_id, stage, name, check_name, allow_failure, failure_reason, ref,
    tag, sha, environment, url, username, created_at, started_at, finished_at, content, merge_ref, version_at,
    rank, ever_bad, said, status, message_id, message_at
)
SELECT
    i.host, i.id, i.pipeline_id, i.project, i.project_id, i.stage, i.name, i.check_name, i.allow_failure,
    i.failure_reason, i.ref, i.tag, i.sha, i.environment, i.url, i.username, i.created_at, i.started_at,
    i.finished_at, i.content, i.merge_ref, i.version_at, i.rank, i.ever_bad, i.said::jsonb, i.status,
    i.message_id, i.message_at
FROM (
    SELECT unnest($1::text[]) AS host, unnest($2::bigint[]) AS id, unnest($3::bigint[]) AS pipeline_id,
        unnest($4::text[]) AS project, unnest($5::bigint[]) AS project_id, unnest($6::text[]) AS stage,
        unnest($7::text[]) AS name, unnest($8::text[]) AS check_name, unnest($9::boolean[]) AS allow_failure,
        unnest($10::text[]) AS failure_reason, unnest($11::text[]) AS ref, unnest($12::boolean[]) AS tag,
        unnest($13::text[]) AS sha, unnest($14::text[]) AS environment, unnest($15::text[]) AS url,
        unnest($16::text[]) AS username, unnest($17::timestamptz[]) AS created_at,
        unnest($18::timestamptz[]) AS started_at, unnest($19::timestamptz[]) AS finished_at,
        unnest($20::bigint[]) AS content, unnest($21::text[]) AS merge_ref,
        unnest($22::timestamptz[]) AS version_at, unnest($23::smallint[]) AS rank,
        unnest($24::boolean[]) AS ever_bad, unnest($25::text[]) AS said, unnest($26::text[]) AS status,
        unnest($27::text[]) AS message_id, unnest($28::timestamptz[]) AS message_at
) AS i
ORDER BY i.host, i.id
ON CONFLICT (host, id) DO UPDATE SET
    pipeline_id = CASE
        WHEN (t.version_at, t.rank, t.content) < (excluded.version_at, excluded.rank, excluded.content)
        THEN excluded.pipeline_id ELSE t.pipeline_id END,
    project = CASE
        WHEN (t.version_at, t.rank, t.content) < (excluded.version_at, excluded.rank, excluded.content)
        THEN excluded.project ELSE t.project END,
    project_id = CASE
        WHEN (t.version_at, t.rank, t.content) < (excluded.version_at, excluded.rank, excluded.content)
        THEN excluded.project_id ELSE t.project_id END,
    stage = CASE
        WHEN (t.version_at, t.rank, t.content) < (excluded.version_at, excluded.rank, excluded.content)
        THEN excluded.stage ELSE t.stage END,
    name = CASE
        WHEN (t.version_at, t.rank, t.content) < (excluded.version_at, excluded.rank, excluded.content)
        THEN excluded.name ELSE t.name END,
    check_name = CASE
        WHEN (t.version_at, t.rank, t.content) < (excluded.version_at, excluded.rank, excluded.content)
        THEN excluded.check_name ELSE t.check_name END,
    allow_failure = CASE
        WHEN (t.version_at, t.rank, t.content) < (excluded.version_at, excluded.rank, excluded.content)
        THEN excluded.allow_failure ELSE t.allow_failure END,
    failure_reason = CASE
        WHEN (t.version_at, t.rank, t.content) < (excluded.version_at, excluded.rank, excluded.content)
        THEN excluded.failure_reason ELSE t.failure_reason END,
    ref = CASE
        WHEN (t.version_at, t.rank, t.content) < (excluded.version_at, excluded.rank, excluded.content)
        THEN excluded.ref ELSE t.ref END,
    tag = CASE
        WHEN (t.version_at, t.rank, t.content) < (excluded.version_at, excluded.rank, excluded.content)
        THEN excluded.tag ELSE t.tag END,
    sha = CASE
        WHEN (t.version_at, t.rank, t.content) < (excluded.version_at, excluded.rank, excluded.content)
        THEN excluded.sha ELSE t.sha END,
    environment = CASE
        WHEN (t.version_at, t.rank, t.content) < (excluded.version_at, excluded.rank, excluded.content)
        THEN excluded.environment ELSE t.environment END,
    url = CASE
        WHEN (t.version_at, t.rank, t.content) < (excluded.version_at, excluded.rank, excluded.content)
        THEN excluded.url ELSE t.url END,
    username = CASE
        WHEN (t.version_at, t.rank, t.content) < (excluded.version_at, excluded.rank, excluded.content)
        THEN excluded.username ELSE t.username END,
    created_at = CASE
        WHEN (t.version_at, t.rank, t.content) < (excluded.version_at, excluded.rank, excluded.content)
        THEN excluded.created_at ELSE t.created_at END,
    started_at = CASE
        WHEN (t.version_at, t.rank, t.content) < (excluded.version_at, excluded.rank, excluded.content)
        THEN excluded.started_at ELSE t.started_at END,
    finished_at = CASE
        WHEN (t.version_at, t.rank, t.content) < (excluded.version_at, excluded.rank, excluded.content)
        THEN excluded.finished_at ELSE t.finished_at END,
    content = CASE
        WHEN (t.version_at, t.rank, t.content) < (excluded.version_at, excluded.rank, excluded.content)
        THEN excluded.content ELSE t.content END,
    said = CASE WHEN (t.version_at, t.rank) < (excluded.version_at, excluded.rank)
        THEN excluded.said ELSE united_statuses(t.said, excluded.said) END,
    status = CASE WHEN (t.version_at, t.rank) < (excluded.version_at, excluded.rank)
        THEN excluded.status ELSE (last_status(united_statuses(t.said, excluded.said))).status END,
    message_id = CASE WHEN (t.version_at, t.rank) < (excluded.version_at, excluded.rank)
        THEN excluded.message_id ELSE (last_status(united_statuses(t.said, excluded.said))).message_id END,
    message_at = CASE WHEN (t.version_at, t.rank) < (excluded.version_at, excluded.rank)
        THEN excluded.message_at ELSE (last_status(united_statuses(t.said, excluded.said))).message_at END,
    version_at = excluded.version_at, rank = excluded.rank, ever_bad = t.ever_bad OR excluded.ever_bad,
    merge_ref = coalesce(t.merge_ref, excluded.merge_ref), received_at = now()
WHERE (t.version_at, t.rank) < (excluded.version_at, excluded.rank)
    OR (
        (t.version_at, t.rank) = (excluded.version_at, excluded.rank)
        AND (
            t.content < excluded.content
            OR ((t.said ->> excluded.status) COLLATE "C" <= excluded.said ->> excluded.status) IS NOT TRUE
            OR (excluded.said - excluded.status <> '{}' AND united_statuses(t.said, excluded.said) <> t.said)
        )
    )
RETURNING t.host, t.id, t.pipeline_id, t.check_name
