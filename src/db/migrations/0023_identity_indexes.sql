-- outside a transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS gitlab_merge_requests_identity ON gitlab_merge_requests (project_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS gitlab_pushes_identity ON gitlab_pushes (project_id);
-- Rows of before, of which the host is still to be filled in: empty when that is done.
CREATE INDEX CONCURRENTLY IF NOT EXISTS gitlab_merge_requests_without_host ON gitlab_merge_requests (project, iid) WHERE host IS NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS gitlab_pushes_without_host ON gitlab_pushes (sha, repo, ref) WHERE host IS NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS components_without_host ON components (name) WHERE host IS NULL AND git_project IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS pipelineruns_without_host ON pipelineruns (name) WHERE host IS NULL AND project IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS snapshots_without_host ON snapshots (name) WHERE host IS NULL AND project IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS releases_without_host ON releases (name) WHERE host IS NULL AND project IS NOT NULL;
