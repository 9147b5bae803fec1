-- outside a transaction

-- Which merge request a deployed commit merged.
CREATE INDEX CONCURRENTLY IF NOT EXISTS gitlab_merge_requests_merge ON gitlab_merge_requests (merge_commit_sha)
    WHERE merge_commit_sha IS NOT NULL;
