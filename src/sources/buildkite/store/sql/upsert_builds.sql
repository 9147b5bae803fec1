-- upsert_builds
-- The version guard is Build::version. It uses the state that Buildkite reported: skipped_from, if that is set.
INSERT INTO buildkite_builds AS t (
    id, number, state, blocked_state, commit, branch, title, source, repo_host, repo_path, pipeline, pipeline_id,
    organization, organization_id, started_at, failing_at, finished_at, event_at, detail_type, message_id, message_at,
    ever_bad
)
SELECT
    i.id, i.number, i.state, i.blocked_state, i.commit, i.branch, i.title, i.source, i.repo_host, i.repo_path,
    i.pipeline, i.pipeline_id, i.organization, i.organization_id, i.started_at, i.failing_at, i.finished_at, i.event_at,
    i.detail_type, i.message_id, i.message_at, i.ever_bad
FROM (
    SELECT unnest($1::text[]) AS id, unnest($2::bigint[]) AS number, unnest($3::text[]) AS state,
        unnest($4::text[]) AS blocked_state, unnest($5::text[]) AS commit, unnest($6::text[]) AS branch,
        unnest($7::text[]) AS title, unnest($8::text[]) AS source, unnest($9::text[]) AS repo_host,
        unnest($10::text[]) AS repo_path, unnest($11::text[]) AS pipeline, unnest($12::text[]) AS pipeline_id,
        unnest($13::text[]) AS organization, unnest($14::text[]) AS organization_id,
        unnest($15::timestamptz[]) AS started_at, unnest($16::timestamptz[]) AS failing_at,
        unnest($17::timestamptz[]) AS finished_at, unnest($18::timestamptz[]) AS event_at,
        unnest($19::text[]) AS detail_type, unnest($20::text[]) AS message_id, unnest($21::timestamptz[]) AS message_at,
        unnest($22::boolean[]) AS ever_bad
) AS i
ORDER BY i.id
ON CONFLICT (id) DO UPDATE SET
    number = excluded.number,
    state = excluded.state,
    blocked_state = excluded.blocked_state,
    commit = excluded.commit,
    branch = excluded.branch,
    title = excluded.title,
    source = excluded.source,
    repo_host = excluded.repo_host,
    repo_path = excluded.repo_path,
    pipeline = excluded.pipeline,
    pipeline_id = excluded.pipeline_id,
    organization = excluded.organization,
    organization_id = excluded.organization_id,
    started_at = excluded.started_at,
    failing_at = excluded.failing_at,
    finished_at = excluded.finished_at,
    event_at = excluded.event_at,
    detail_type = excluded.detail_type,
    message_id = excluded.message_id,
    message_at = excluded.message_at,
    ever_bad = t.ever_bad OR excluded.ever_bad,
    skipped_from = NULL,
    received_at = now()
WHERE (t.number, t.event_at,
        CASE WHEN coalesce(t.skipped_from, t.state) IN ('creating', 'scheduled', 'waiting') THEN 0
            WHEN coalesce(t.skipped_from, t.state) IN ('failing', 'started_failing') THEN 2
            WHEN coalesce(t.skipped_from, t.state) IN ('started', 'running')
                AND t.event_at <= coalesce(t.started_at, t.event_at) + interval '1 second' THEN 2
            WHEN coalesce(t.skipped_from, t.state) = 'blocked' THEN 3 ELSE 4 END,
        coalesce(t.finished_at, '-infinity'), coalesce(t.failing_at, '-infinity'),
        coalesce(t.started_at, '-infinity'), t.message_id,
        coalesce(t.skipped_from, t.state) COLLATE "C", coalesce(t.blocked_state, '') COLLATE "C",
        coalesce(t.organization, '') COLLATE "C",
        coalesce(t.pipeline, '') COLLATE "C", coalesce(t.commit, ''), coalesce(t.branch, '') COLLATE "C",
        coalesce(t.source, '') COLLATE "C", coalesce(t.repo_host, '') COLLATE "C",
        coalesce(t.repo_path, '') COLLATE "C", coalesce(t.title, '') COLLATE "C",
        coalesce(t.pipeline_id, '') COLLATE "C", coalesce(t.organization_id, '') COLLATE "C",
        coalesce(t.detail_type, '') COLLATE "C", coalesce(t.message_at, '-infinity'))
    < (excluded.number, excluded.event_at,
        CASE WHEN coalesce(excluded.skipped_from, excluded.state) IN ('creating', 'scheduled', 'waiting') THEN 0
            WHEN coalesce(excluded.skipped_from, excluded.state) IN ('failing', 'started_failing') THEN 2
            WHEN coalesce(excluded.skipped_from, excluded.state) IN ('started', 'running')
                AND excluded.event_at <= coalesce(excluded.started_at, excluded.event_at) + interval '1 second' THEN 2
            WHEN coalesce(excluded.skipped_from, excluded.state) = 'blocked' THEN 3 ELSE 4 END,
        coalesce(excluded.finished_at, '-infinity'), coalesce(excluded.failing_at, '-infinity'),
        coalesce(excluded.started_at, '-infinity'), excluded.message_id,
        coalesce(excluded.skipped_from, excluded.state) COLLATE "C", coalesce(excluded.blocked_state, '') COLLATE "C",
        coalesce(excluded.organization, '') COLLATE "C", coalesce(excluded.pipeline, '') COLLATE "C",
        coalesce(excluded.commit, ''), coalesce(excluded.branch, '') COLLATE "C",
        coalesce(excluded.source, '') COLLATE "C", coalesce(excluded.repo_host, '') COLLATE "C",
        coalesce(excluded.repo_path, '') COLLATE "C", coalesce(excluded.title, '') COLLATE "C",
        coalesce(excluded.pipeline_id, '') COLLATE "C", coalesce(excluded.organization_id, '') COLLATE "C",
        coalesce(excluded.detail_type, '') COLLATE "C", coalesce(excluded.message_at, '-infinity'))
RETURNING t.id, t.number, t.state, t.blocked_state, t.ever_bad, t.commit, t.branch, t.source, t.repo_host, t.repo_path,
    t.organization, t.pipeline, t.started_at, t.finished_at, t.event_at
