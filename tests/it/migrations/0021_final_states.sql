UPDATE gitlab_merge_requests SET place = 1, told = 7, content = 42, head_claims = ARRAY[sha] WHERE sha IS NOT NULL;
UPDATE gitlab_pushes SET times = '{"": 1773136800000000}', first_pushed_at = pushed_at WHERE before_sha IS NULL;
