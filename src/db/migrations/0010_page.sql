-- What the lists of the pages are ordered by, so that a page of one reads no more than it shows.
CREATE INDEX gitlab_merge_requests_version ON gitlab_merge_requests (version_at DESC, project DESC, iid DESC);
CREATE INDEX gitlab_pushes_recent ON gitlab_pushes (pushed_at DESC, sha DESC, repo DESC) WHERE pushed_at IS NOT NULL;
CREATE INDEX pipelineruns_created ON pipelineruns (created_at);
CREATE INDEX pipelineruns_failed ON pipelineruns (finished_at DESC) WHERE state IN ('failed', 'timed_out');
CREATE INDEX releases_created ON releases (created_at DESC, name DESC);
CREATE INDEX snapshots_superseded ON snapshots (created_at DESC) WHERE release_state = 'superseded';
CREATE INDEX refused_received ON refused (received_at DESC, id DESC);
CREATE INDEX releases_sha ON releases (sha) WHERE sha IS NOT NULL;
