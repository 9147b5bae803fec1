-- settle_components
-- Of several objects with one name, the youngest that exists gets the row; if none exists, the youngest one. On one
-- cluster and in one namespace only the youngest can exist, also if the message about a deletion was lost. The upsert
-- before has locked the rows; the trigger stores the object that loses its row.
WITH states AS (
    SELECT c.name, c.uid, c.rank, c.resource_version, c.tie, c.message_id, to_jsonb(c) AS "row", true AS holds
    FROM components AS c WHERE c.name = ANY ($1::text[])
    UNION ALL
    SELECT r.name, r.uid, r.rank, r.resource_version, r.tie, r.message_id, r."row", false
    FROM replaced AS r WHERE r.kind = 'components' AND r.name = ANY ($1)
), newest AS (
    SELECT DISTINCT ON (s.name, s.uid) s.*,
        coalesce((s."row" ->> 'created_at')::timestamptz, '-infinity') AS created_at,
        s."row" ->> 'cluster' AS cluster, s."row" ->> 'namespace' AS namespace
    FROM states AS s
    ORDER BY s.name, s.uid, s.rank DESC, s.resource_version DESC, s.tie DESC, s.message_id DESC, s.holds DESC
), best AS (
    SELECT DISTINCT ON (n.name) n.*
    FROM newest AS n
    ORDER BY n.name, n.rank < 2 AND NOT EXISTS (
        SELECT FROM newest AS y
        WHERE y.name = n.name AND y.cluster IS NOT DISTINCT FROM n.cluster
            AND y.namespace IS NOT DISTINCT FROM n.namespace
            AND (y.created_at, y.uid) > (n.created_at, n.uid)
    ) DESC, n.created_at DESC, n.uid DESC
), no_longer_replaced AS (
    DELETE FROM replaced AS r USING best AS b WHERE r.kind = 'components' AND r.name = b.name AND r.uid = b.uid
)
UPDATE components AS t SET
    namespace = i.namespace, cluster = i.cluster, uid = i.uid, resource_version = i.resource_version,
    created_at = i.created_at, rank = i.rank, tie = i.tie, application = i.application,
    git_url = i.git_url, git_project = i.git_project, host = i.host, git_revision = i.git_revision,
    git_context = i.git_context, git_versions = i.git_versions, container_image = i.container_image,
    last_built_commit = i.last_built_commit, last_promoted_image = i.last_promoted_image, deleted_at = i.deleted_at,
    message_id = i.message_id, message_at = i.message_at, received_at = now()
FROM best AS b
CROSS JOIN LATERAL jsonb_populate_record(NULL::components, b."row") AS i
WHERE t.name = b.name AND NOT b.holds
RETURNING t.name
