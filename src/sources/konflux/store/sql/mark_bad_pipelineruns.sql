-- mark_bad_pipelineruns
-- Records that runs failed, whatever they are now, unless another object has their name. The upsert of this transaction
-- holds the locks of their rows.
UPDATE pipelineruns AS t SET ever_bad = true
FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS i (name, uid, created_at)
WHERE t.name = i.name AND t.uid = i.uid AND t.created_at IS NOT DISTINCT FROM i.created_at AND t.ever_bad IS NOT TRUE
RETURNING t.name
