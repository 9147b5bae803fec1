-- mark_bad_pipelines
-- Records that pipelines failed, whatever they are now. The upsert of this transaction holds the locks of their rows.
UPDATE gitlab_pipelines AS t SET ever_bad = true
FROM unnest($1::text[], $2::bigint[]) AS i (host, id)
WHERE t.host = i.host AND t.id = i.id AND NOT t.ever_bad
RETURNING t.host, t.id
