-- timed_heads
-- The heads of a merge request with a known time at which they became the head.
SELECT sha FROM gitlab_mr_versions WHERE project = $1 AND iid = $2 AND head_at IS NOT NULL
