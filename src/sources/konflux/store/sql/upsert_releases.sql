-- upsert_releases
-- The version guard is Identity::version. Returns the names of the rows that this batch changed.
INSERT INTO releases AS t (
    name, namespace, cluster, uid, resource_version, created_at, rank, tie, application, component, snapshot,
    release_plan, target, sha, project, host, mr_iid, automated, author, state, reason, message, failed_phase,
    release_plr, release_plr_namespace, attempt_count, attempts, failure_reason, last_task, started_at,
    finished_at, expires_at, conditions, deleted_at, message_id, message_at
)
SELECT
    i.name, i.namespace, i.cluster, i.uid, i.resource_version, i.created_at, i.rank, i.tie, i.application,
    i.component, i.snapshot, i.release_plan, i.target, i.sha, i.project, i.host, i.mr_iid, i.automated, i.author,
    i.state, i.reason, i.message, i.failed_phase, i.release_plr, i.release_plr_namespace, i.attempt_count,
    i.attempts::jsonb, i.failure_reason, i.last_task, i.started_at, i.finished_at, i.expires_at,
    i.conditions::jsonb, i.deleted_at, i.message_id, i.message_at
FROM (
    SELECT unnest($1::text[]) AS name, unnest($2::text[]) AS namespace, unnest($3::text[]) AS cluster,
        unnest($4::text[]) AS uid, unnest($5::bigint[]) AS resource_version, unnest($6::timestamptz[]) AS created_at,
        unnest($7::smallint[]) AS rank, unnest($8::bigint[]) AS tie, unnest($9::text[]) AS application,
        unnest($10::text[]) AS component, unnest($11::text[]) AS snapshot, unnest($12::text[]) AS release_plan,
        unnest($13::text[]) AS target, unnest($14::text[]) AS sha, unnest($15::text[]) AS project,
        unnest($16::text[]) AS host, unnest($17::bigint[]) AS mr_iid, unnest($18::boolean[]) AS automated,
        unnest($19::text[]) AS author, unnest($20::text[]) AS state, unnest($21::text[]) AS reason,
        unnest($22::text[]) AS message, unnest($23::text[]) AS failed_phase, unnest($24::text[]) AS release_plr,
        unnest($25::text[]) AS release_plr_namespace, unnest($26::bigint[]) AS attempt_count,
        unnest($27::text[]) AS attempts, unnest($28::text[]) AS failure_reason, unnest($29::text[]) AS last_task,
        unnest($30::timestamptz[]) AS started_at, unnest($31::timestamptz[]) AS finished_at,
        unnest($32::timestamptz[]) AS expires_at, unnest($33::text[]) AS conditions,
        unnest($34::timestamptz[]) AS deleted_at, unnest($35::text[]) AS message_id,
        unnest($36::timestamptz[]) AS message_at
) AS i
ORDER BY i.name
ON CONFLICT (name) DO UPDATE SET
    namespace = excluded.namespace, cluster = excluded.cluster, uid = excluded.uid,
    resource_version = excluded.resource_version, created_at = excluded.created_at, rank = excluded.rank,
    tie = excluded.tie, application = excluded.application, component = excluded.component,
    snapshot = excluded.snapshot, release_plan = excluded.release_plan, target = excluded.target,
    sha = excluded.sha, project = excluded.project, host = excluded.host, mr_iid = excluded.mr_iid,
    automated = excluded.automated, author = excluded.author, state = excluded.state, reason = excluded.reason,
    message = excluded.message, failed_phase = excluded.failed_phase, release_plr = excluded.release_plr,
    release_plr_namespace = excluded.release_plr_namespace, attempt_count = excluded.attempt_count,
    attempts = excluded.attempts, failure_reason = excluded.failure_reason, last_task = excluded.last_task,
    started_at = excluded.started_at, finished_at = excluded.finished_at, expires_at = excluded.expires_at,
    conditions = excluded.conditions, deleted_at = excluded.deleted_at, message_id = excluded.message_id,
    message_at = excluded.message_at, received_at = now(), stale_since = NULL
WHERE (coalesce(t.created_at, '-infinity'), t.uid, t.rank, t.resource_version, t.tie, t.message_id)
    < (coalesce(excluded.created_at, '-infinity'), excluded.uid, excluded.rank, excluded.resource_version,
       excluded.tie, excluded.message_id)
RETURNING t.name, t.release_plan, t.host, t.project, t.sha, t.mr_iid, t.state, t.rank, t.created_at, t.started_at,
    t.finished_at, t.deleted_at, t.message_at
