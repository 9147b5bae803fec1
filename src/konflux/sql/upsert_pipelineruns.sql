-- upsert_pipelineruns
-- The guard is Identity::version. RETURNING tells which rows this batch changed.
INSERT INTO pipelineruns AS t (
    name, namespace, cluster, uid, resource_version, created_at, rank, tie, type, type_label, application,
    component, sha, project, mr_iid, event, target_branch, source_branch, snapshot, scenario, release_name,
    release_namespace, state, status, reason, message, verdict, started_at, finished_at, image_url,
    image_digest, log_url, results, labels, deleted_at, message_id, message_at
)
SELECT
    i.name, i.namespace, i.cluster, i.uid, i.resource_version, i.created_at, i.rank, i.tie, i.type,
    i.type_label, i.application, i.component, i.sha, i.project, i.mr_iid, i.event, i.target_branch,
    i.source_branch, i.snapshot, i.scenario, i.release_name, i.release_namespace, i.state, i.status, i.reason,
    i.message, i.verdict, i.started_at, i.finished_at, i.image_url, i.image_digest, i.log_url, i.results::jsonb,
    i.labels::jsonb, i.deleted_at, i.message_id, i.message_at
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::timestamptz[], $7::smallint[],
    $8::bigint[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::bigint[],
    $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::text[], $22::text[], $23::text[],
    $24::text[], $25::text[], $26::text[], $27::text[], $28::timestamptz[], $29::timestamptz[], $30::text[],
    $31::text[], $32::text[], $33::text[], $34::text[], $35::timestamptz[], $36::text[], $37::timestamptz[]
) AS i (
    name, namespace, cluster, uid, resource_version, created_at, rank, tie, type, type_label, application,
    component, sha, project, mr_iid, event, target_branch, source_branch, snapshot, scenario, release_name,
    release_namespace, state, status, reason, message, verdict, started_at, finished_at, image_url,
    image_digest, log_url, results, labels, deleted_at, message_id, message_at
)
ORDER BY i.name
ON CONFLICT (name) DO UPDATE SET
    namespace = excluded.namespace, cluster = excluded.cluster, uid = excluded.uid,
    resource_version = excluded.resource_version, created_at = excluded.created_at, rank = excluded.rank,
    tie = excluded.tie, type = excluded.type, type_label = excluded.type_label,
    application = excluded.application, component = excluded.component, sha = excluded.sha,
    project = excluded.project, mr_iid = excluded.mr_iid, event = excluded.event,
    target_branch = excluded.target_branch, source_branch = excluded.source_branch,
    snapshot = excluded.snapshot, scenario = excluded.scenario, release_name = excluded.release_name,
    release_namespace = excluded.release_namespace, state = excluded.state, status = excluded.status,
    reason = excluded.reason, message = excluded.message, verdict = excluded.verdict,
    started_at = excluded.started_at, finished_at = excluded.finished_at, image_url = excluded.image_url,
    image_digest = excluded.image_digest, log_url = excluded.log_url, results = excluded.results,
    labels = excluded.labels, deleted_at = excluded.deleted_at, message_id = excluded.message_id,
    message_at = excluded.message_at, received_at = now(), stale_since = NULL
WHERE (coalesce(t.created_at, '-infinity'), t.uid, t.rank, t.resource_version, t.tie, t.message_id)
    < (coalesce(excluded.created_at, '-infinity'), excluded.uid, excluded.rank, excluded.resource_version,
       excluded.tie, excluded.message_id)
RETURNING t.name
