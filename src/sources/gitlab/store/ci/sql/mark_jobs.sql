-- mark_jobs
-- Records that jobs failed and on which kind of ref of a merge request they run, by whatever message. The upsert of
-- this transaction holds the locks of their rows.
UPDATE gitlab_jobs AS t SET ever_bad = t.ever_bad OR i.ever_bad, merge_ref = coalesce(t.merge_ref, i.merge_ref)
FROM unnest($1::text[], $2::bigint[], $3::boolean[], $4::text[]) AS i (host, id, ever_bad, merge_ref)
WHERE t.host = i.host AND t.id = i.id
    AND ((i.ever_bad AND NOT t.ever_bad) OR (i.merge_ref IS NOT NULL AND t.merge_ref IS NULL))
RETURNING t.host, t.id, t.pipeline_id, t.check_name
