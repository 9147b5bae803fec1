-- upsert_pipelineruns
-- The version guard is Identity::version. Returns the names of the rows that this batch changed. ever_bad is about one
-- object: one that gets the name of another begins anew.
INSERT INTO pipelineruns AS t (
    name, namespace, cluster, uid, resource_version, created_at, rank, tie, type, type_label, application,
    component, sha, project, host, mr_iid, event, target_branch, source_branch, snapshot, scenario, release_name,
    release_namespace, state, status, reason, message, verdict, started_at, finished_at, image_url,
    image_digest, log_url, results, labels, deleted_at, message_id, message_at, ever_bad
)
SELECT
    i.name, i.namespace, i.cluster, i.uid, i.resource_version, i.created_at, i.rank, i.tie, i.type,
    i.type_label, i.application, i.component, i.sha, i.project, i.host, i.mr_iid, i.event, i.target_branch,
    i.source_branch, i.snapshot, i.scenario, i.release_name, i.release_namespace, i.state, i.status, i.reason,
    i.message, i.verdict, i.started_at, i.finished_at, i.image_url, i.image_digest, i.log_url, i.results::jsonb,
    i.labels::jsonb, i.deleted_at, i.message_id, i.message_at, i.ever_bad
FROM (
    SELECT unnest($1::text[]) AS name, unnest($2::text[]) AS namespace, unnest($3::text[]) AS cluster,
        unnest($4::text[]) AS uid, unnest($5::bigint[]) AS resource_version, unnest($6::timestamptz[]) AS created_at,
        unnest($7::smallint[]) AS rank, unnest($8::bigint[]) AS tie, unnest($9::text[]) AS type,
        unnest($10::text[]) AS type_label, unnest($11::text[]) AS application, unnest($12::text[]) AS component,
        unnest($13::text[]) AS sha, unnest($14::text[]) AS project, unnest($15::text[]) AS host,
        unnest($16::bigint[]) AS mr_iid, unnest($17::text[]) AS event, unnest($18::text[]) AS target_branch,
        unnest($19::text[]) AS source_branch, unnest($20::text[]) AS snapshot, unnest($21::text[]) AS scenario,
        unnest($22::text[]) AS release_name, unnest($23::text[]) AS release_namespace, unnest($24::text[]) AS state,
        unnest($25::text[]) AS status, unnest($26::text[]) AS reason, unnest($27::text[]) AS message,
        unnest($28::text[]) AS verdict, unnest($29::timestamptz[]) AS started_at,
        unnest($30::timestamptz[]) AS finished_at, unnest($31::text[]) AS image_url,
        unnest($32::text[]) AS image_digest, unnest($33::text[]) AS log_url,
        unnest($34::text[]) AS results, unnest($35::text[]) AS labels, unnest($36::timestamptz[]) AS deleted_at,
        unnest($37::text[]) AS message_id, unnest($38::timestamptz[]) AS message_at,
        unnest($39::boolean[]) AS ever_bad
) AS i
ORDER BY i.name
ON CONFLICT (name) DO UPDATE SET
    namespace = excluded.namespace, cluster = excluded.cluster, uid = excluded.uid,
    resource_version = excluded.resource_version, created_at = excluded.created_at, rank = excluded.rank,
    tie = excluded.tie, type = excluded.type, type_label = excluded.type_label,
    application = excluded.application, component = excluded.component, sha = excluded.sha,
    project = excluded.project, host = excluded.host, mr_iid = excluded.mr_iid, event = excluded.event,
    target_branch = excluded.target_branch, source_branch = excluded.source_branch,
    snapshot = excluded.snapshot, scenario = excluded.scenario, release_name = excluded.release_name,
    release_namespace = excluded.release_namespace, state = excluded.state, status = excluded.status,
    reason = excluded.reason, message = excluded.message, verdict = excluded.verdict,
    started_at = excluded.started_at, finished_at = excluded.finished_at, image_url = excluded.image_url,
    image_digest = excluded.image_digest, log_url = excluded.log_url, results = excluded.results,
    labels = excluded.labels, deleted_at = excluded.deleted_at, message_id = excluded.message_id,
    message_at = excluded.message_at, received_at = now(), stale_since = NULL,
    ever_bad = (t.ever_bad AND (t.created_at, t.uid) IS NOT DISTINCT FROM (excluded.created_at, excluded.uid))
        OR excluded.ever_bad
WHERE (coalesce(t.created_at, '-infinity'), t.uid, t.rank, t.resource_version, t.tie, t.message_id)
    < (coalesce(excluded.created_at, '-infinity'), excluded.uid, excluded.rank, excluded.resource_version,
       excluded.tie, excluded.message_id)
RETURNING t.name, t.type, t.application, t.component, t.scenario, t.host, t.project, t.sha, t.event, t.target_branch,
    t.source_branch, t.mr_iid, t.state, t.verdict, t.labels ->> 'test.appstudio.openshift.io/optional' AS optional,
    t.ever_bad, t.rank, t.log_url, t.created_at, t.started_at, t.finished_at, t.deleted_at, t.message_at
