-- upsert_releases
-- The guard is Identity::version. RETURNING tells which rows this batch changed.
INSERT INTO releases AS t (
    name, namespace, cluster, uid, resource_version, created_at, rank, tie, application, component, snapshot,
    release_plan, target, sha, project, mr_iid, automated, author, state, reason, message, failed_phase,
    release_plr, release_plr_namespace, attempt_count, attempts, failure_reason, last_task, started_at,
    finished_at, expires_at, conditions, deleted_at, message_id, message_at
)
SELECT
    i.name, i.namespace, i.cluster, i.uid, i.resource_version, i.created_at, i.rank, i.tie, i.application,
    i.component, i.snapshot, i.release_plan, i.target, i.sha, i.project, i.mr_iid, i.automated, i.author,
    i.state, i.reason, i.message, i.failed_phase, i.release_plr, i.release_plr_namespace, i.attempt_count,
    i.attempts::jsonb, i.failure_reason, i.last_task, i.started_at, i.finished_at, i.expires_at,
    i.conditions::jsonb, i.deleted_at, i.message_id, i.message_at
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::timestamptz[], $7::smallint[],
    $8::bigint[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[],
    $16::bigint[], $17::boolean[], $18::text[], $19::text[], $20::text[], $21::text[], $22::text[], $23::text[],
    $24::text[], $25::bigint[], $26::text[], $27::text[], $28::text[], $29::timestamptz[], $30::timestamptz[],
    $31::timestamptz[], $32::text[], $33::timestamptz[], $34::text[], $35::timestamptz[]
) AS i (
    name, namespace, cluster, uid, resource_version, created_at, rank, tie, application, component, snapshot,
    release_plan, target, sha, project, mr_iid, automated, author, state, reason, message, failed_phase,
    release_plr, release_plr_namespace, attempt_count, attempts, failure_reason, last_task, started_at,
    finished_at, expires_at, conditions, deleted_at, message_id, message_at
)
ORDER BY i.name
ON CONFLICT (name) DO UPDATE SET
    namespace = excluded.namespace, cluster = excluded.cluster, uid = excluded.uid,
    resource_version = excluded.resource_version, created_at = excluded.created_at, rank = excluded.rank,
    tie = excluded.tie, application = excluded.application, component = excluded.component,
    snapshot = excluded.snapshot, release_plan = excluded.release_plan, target = excluded.target,
    sha = excluded.sha, project = excluded.project, mr_iid = excluded.mr_iid, automated = excluded.automated,
    author = excluded.author, state = excluded.state, reason = excluded.reason, message = excluded.message,
    failed_phase = excluded.failed_phase, release_plr = excluded.release_plr,
    release_plr_namespace = excluded.release_plr_namespace, attempt_count = excluded.attempt_count,
    attempts = excluded.attempts, failure_reason = excluded.failure_reason, last_task = excluded.last_task,
    started_at = excluded.started_at, finished_at = excluded.finished_at, expires_at = excluded.expires_at,
    conditions = excluded.conditions, deleted_at = excluded.deleted_at, message_id = excluded.message_id,
    message_at = excluded.message_at, received_at = now(), stale_since = NULL
WHERE (coalesce(t.created_at, '-infinity'), t.uid, t.rank, t.resource_version, t.tie, t.message_id)
    < (coalesce(excluded.created_at, '-infinity'), excluded.uid, excluded.rank, excluded.resource_version,
       excluded.tie, excluded.message_id)
RETURNING t.name
