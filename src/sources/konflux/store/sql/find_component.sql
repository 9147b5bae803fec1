-- find_component
SELECT c.name, c.application, c.namespace, c.cluster, c.git_project, c.git_context, c.git_revision, c.container_image,
    c.last_built_commit, c.last_promoted_image, c.created_at, c.deleted_at, c.message_id, c.message_at
FROM components AS c
WHERE c.name = $1
