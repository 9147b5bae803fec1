-- upsert_snapshots
-- The version guard is Identity::version. Returns the names of the rows that this batch changed.
INSERT INTO snapshots AS t (
    name, namespace, cluster, uid, resource_version, created_at, rank, tie, type, application, component,
    component_count, image, image_digest, sha, project, host, mr_iid, event, target_branch, source_plr, group_members,
    scenarios, test_state, test_reason, test_message, release_state, release_message, conditions, deleted_at,
    message_id, message_at
)
SELECT
    i.name, i.namespace, i.cluster, i.uid, i.resource_version, i.created_at, i.rank, i.tie, i.type,
    i.application, i.component, i.component_count, i.image, i.image_digest, i.sha, i.project, i.host, i.mr_iid, i.event,
    i.target_branch, i.source_plr, i.group_members::jsonb, i.scenarios::jsonb, i.test_state, i.test_reason,
    i.test_message, i.release_state, i.release_message, i.conditions::jsonb, i.deleted_at, i.message_id,
    i.message_at
FROM (
    SELECT unnest($1::text[]) AS name, unnest($2::text[]) AS namespace, unnest($3::text[]) AS cluster,
        unnest($4::text[]) AS uid, unnest($5::bigint[]) AS resource_version, unnest($6::timestamptz[]) AS created_at,
        unnest($7::smallint[]) AS rank, unnest($8::bigint[]) AS tie, unnest($9::text[]) AS type,
        unnest($10::text[]) AS application, unnest($11::text[]) AS component, unnest($12::bigint[]) AS component_count,
        unnest($13::text[]) AS image, unnest($14::text[]) AS image_digest, unnest($15::text[]) AS sha,
        unnest($16::text[]) AS project, unnest($17::text[]) AS host, unnest($18::bigint[]) AS mr_iid,
        unnest($19::text[]) AS event, unnest($20::text[]) AS target_branch, unnest($21::text[]) AS source_plr,
        unnest($22::text[]) AS group_members, unnest($23::text[]) AS scenarios, unnest($24::text[]) AS test_state,
        unnest($25::text[]) AS test_reason, unnest($26::text[]) AS test_message, unnest($27::text[]) AS release_state,
        unnest($28::text[]) AS release_message, unnest($29::text[]) AS conditions,
        unnest($30::timestamptz[]) AS deleted_at, unnest($31::text[]) AS message_id,
        unnest($32::timestamptz[]) AS message_at
) AS i
ORDER BY i.name
ON CONFLICT (name) DO UPDATE SET
    namespace = excluded.namespace, cluster = excluded.cluster, uid = excluded.uid,
    resource_version = excluded.resource_version, created_at = excluded.created_at, rank = excluded.rank,
    tie = excluded.tie, type = excluded.type, application = excluded.application,
    component = excluded.component, component_count = excluded.component_count, image = excluded.image,
    image_digest = excluded.image_digest, sha = excluded.sha, project = excluded.project, host = excluded.host,
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
