-- upsert_components
-- The version guard is Identity::version. Returns the names of the rows that this batch changed.
INSERT INTO components AS t (
    name, namespace, cluster, uid, resource_version, created_at, rank, tie, application, git_url, git_project, host,
    git_revision, git_context, git_versions, container_image, last_built_commit, last_promoted_image,
    deleted_at, message_id, message_at
)
SELECT
    i.name, i.namespace, i.cluster, i.uid, i.resource_version, i.created_at, i.rank, i.tie, i.application,
    i.git_url, i.git_project, i.host, i.git_revision, i.git_context, i.git_versions::jsonb, i.container_image,
    i.last_built_commit, i.last_promoted_image, i.deleted_at, i.message_id, i.message_at
FROM (
    SELECT unnest($1::text[]) AS name, unnest($2::text[]) AS namespace, unnest($3::text[]) AS cluster,
        unnest($4::text[]) AS uid, unnest($5::bigint[]) AS resource_version, unnest($6::timestamptz[]) AS created_at,
        unnest($7::smallint[]) AS rank, unnest($8::bigint[]) AS tie, unnest($9::text[]) AS application,
        unnest($10::text[]) AS git_url, unnest($11::text[]) AS git_project, unnest($12::text[]) AS host,
        unnest($13::text[]) AS git_revision, unnest($14::text[]) AS git_context, unnest($15::text[]) AS git_versions,
        unnest($16::text[]) AS container_image, unnest($17::text[]) AS last_built_commit,
        unnest($18::text[]) AS last_promoted_image, unnest($19::timestamptz[]) AS deleted_at,
        unnest($20::text[]) AS message_id, unnest($21::timestamptz[]) AS message_at
) AS i
ORDER BY i.name
ON CONFLICT (name) DO UPDATE SET
    namespace = excluded.namespace, cluster = excluded.cluster, uid = excluded.uid,
    resource_version = excluded.resource_version, created_at = excluded.created_at, rank = excluded.rank,
    tie = excluded.tie, application = excluded.application, git_url = excluded.git_url,
    git_project = excluded.git_project, host = excluded.host, git_revision = excluded.git_revision,
    git_context = excluded.git_context, git_versions = excluded.git_versions,
    container_image = excluded.container_image, last_built_commit = excluded.last_built_commit,
    last_promoted_image = excluded.last_promoted_image, deleted_at = excluded.deleted_at,
    message_id = excluded.message_id, message_at = excluded.message_at, received_at = now()
WHERE (coalesce(t.created_at, '-infinity'), t.uid, t.rank, t.resource_version, t.tie, t.message_id)
    < (coalesce(excluded.created_at, '-infinity'), excluded.uid, excluded.rank, excluded.resource_version,
       excluded.tie, excluded.message_id)
RETURNING t.name
