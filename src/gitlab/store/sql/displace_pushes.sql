-- displace_pushes
-- What is known of projects whose path another one has goes from their own keys ($1) into `replaced`, under that path ($2).
WITH gone AS (
    DELETE FROM gitlab_pushes AS t USING unnest($1::text[], $2::text[]) AS i (own, path) WHERE t.repo = i.own
    RETURNING t.*, i.own, i.path
)
INSERT INTO replaced AS r (kind, name, uid, rank, resource_version, tie, message_id, "row")
SELECT 'gitlab_pushes', g.path, g.own || ' ' || g.sha || ' ' || g.ref, 0, 0, 0, g.message_id,
    to_jsonb(g) - 'own' - 'path' - 'received_at' || jsonb_build_object('repo', g.path)
FROM gone AS g
