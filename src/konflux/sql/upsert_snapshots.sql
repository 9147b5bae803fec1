-- upsert_snapshots
-- The guard is Identity::version. RETURNING tells which rows this batch changed.
INSERT INTO snapshots AS t (
    name, namespace, cluster, uid, resource_version, created_at, rank, tie, type, application, component,
    component_count, image, image_digest, sha, project, mr_iid, event, target_branch, source_plr, group_members,
    scenarios, test_state, test_reason, test_message, release_state, release_message, conditions, deleted_at,
    message_id, message_at
)
SELECT
    i.name, i.namespace, i.cluster, i.uid, i.resource_version, i.created_at, i.rank, i.tie, i.type,
    i.application, i.component, i.component_count, i.image, i.image_digest, i.sha, i.project, i.mr_iid, i.event,
    i.target_branch, i.source_plr, i.group_members::jsonb, i.scenarios::jsonb, i.test_state, i.test_reason,
    i.test_message, i.release_state, i.release_message, i.conditions::jsonb, i.deleted_at, i.message_id,
    i.message_at
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::timestamptz[], $7::smallint[],
    $8::bigint[], $9::text[], $10::text[], $11::text[], $12::bigint[], $13::text[], $14::text[], $15::text[],
    $16::text[], $17::bigint[], $18::text[], $19::text[], $20::text[], $21::text[], $22::text[], $23::text[],
    $24::text[], $25::text[], $26::text[], $27::text[], $28::text[], $29::timestamptz[], $30::text[],
    $31::timestamptz[]
) AS i (
    name, namespace, cluster, uid, resource_version, created_at, rank, tie, type, application, component,
    component_count, image, image_digest, sha, project, mr_iid, event, target_branch, source_plr, group_members,
    scenarios, test_state, test_reason, test_message, release_state, release_message, conditions, deleted_at,
    message_id, message_at
)
ORDER BY i.name
ON CONFLICT (name) DO UPDATE SET
    namespace = excluded.namespace, cluster = excluded.cluster, uid = excluded.uid,
    resource_version = excluded.resource_version, created_at = excluded.created_at, rank = excluded.rank,
    tie = excluded.tie, type = excluded.type, application = excluded.application,
    component = excluded.component, component_count = excluded.component_count, image = excluded.image,
    image_digest = excluded.image_digest, sha = excluded.sha, project = excluded.project,
    mr_iid = excluded.mr_iid, event = excluded.event, target_branch = excluded.target_branch,
    source_plr = excluded.source_plr, group_members = excluded.group_members, scenarios = excluded.scenarios,
    test_state = excluded.test_state, test_reason = excluded.test_reason, test_message = excluded.test_message,
    release_state = excluded.release_state, release_message = excluded.release_message,
    conditions = excluded.conditions, deleted_at = excluded.deleted_at, message_id = excluded.message_id,
    message_at = excluded.message_at, received_at = now()
WHERE (coalesce(t.created_at, '-infinity'), t.uid, t.rank, t.resource_version, t.tie, t.message_id)
    < (coalesce(excluded.created_at, '-infinity'), excluded.uid, excluded.rank, excluded.resource_version,
       excluded.tie, excluded.message_id)
RETURNING t.name
