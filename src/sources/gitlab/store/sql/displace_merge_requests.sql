-- displace_merge_requests
-- Moves the rows of projects whose path ($2) another project has: from their own keys ($1) to the table `replaced`.
WITH deleted AS (
    DELETE FROM gitlab_merge_requests AS t USING unnest($1::text[], $2::text[]) AS i (own, path) WHERE t.project = i.own
    RETURNING t.*, i.own, i.path
)
INSERT INTO replaced AS r (kind, name, uid, rank, resource_version, tie, message_id, "row")
SELECT 'gitlab_merge_requests', g.path || '!' || g.iid, g.own || '!' || g.iid, 0, 0, 0, g.message_id,
    to_jsonb(g) - 'own' - 'path' - 'received_at' || jsonb_build_object('project', g.path)
FROM deleted AS g
