-- timed_heads
SELECT sha FROM gitlab_mr_versions WHERE project = $1 AND iid = $2 AND head_at IS NOT NULL
