-- displace_mr_versions
-- What is known of projects whose path another one has goes from their own keys ($1) into `replaced`, under that path ($2).
WITH gone AS (
    DELETE FROM gitlab_mr_versions AS t USING unnest($1::text[], $2::text[]) AS i (own, path) WHERE t.project = i.own
    RETURNING t.*, i.own, i.path
)
INSERT INTO replaced AS r (kind, name, uid, rank, resource_version, tie, message_id, "row")
SELECT 'gitlab_mr_versions', g.path || '!' || g.iid, g.own || '!' || g.iid || ' ' || g.sha, 0, 0, 0, g.message_id,
    to_jsonb(g) - 'own' - 'path' - 'received_at' - 'created_at' - 'message_id' - 'message_at' || jsonb_build_object('project', g.path)
FROM gone AS g
