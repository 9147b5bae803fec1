-- mark_bad_builds
-- Records that builds failed, whatever they are now. The upsert of this transaction holds the locks of their rows.
UPDATE buildkite_builds AS t SET ever_bad = true
WHERE t.id = ANY ($1::text[]) AND t.ever_bad IS NOT TRUE
RETURNING t.id
