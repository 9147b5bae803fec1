-- What the list of builds is ordered by, and what of them is under way.
CREATE INDEX buildkite_builds_event ON buildkite_builds (event_at DESC, id DESC);
CREATE INDEX buildkite_builds_under_way ON buildkite_builds (event_at)
    WHERE state IN ('creating', 'scheduled', 'waiting', 'started', 'running', 'failing', 'started_failing', 'canceling');
CREATE INDEX travis_builds_changed ON travis_builds (message_at DESC, id DESC);
CREATE INDEX travis_builds_under_way ON travis_builds (message_at)
    WHERE state IN ('created', 'queued', 'received', 'started');
CREATE INDEX travis_builds_sha ON travis_builds ((commit ->> 'sha'));
CREATE INDEX kcidb_checkouts_recent ON kcidb_checkouts (coalesce(start_time, message_at, received_at) DESC, id DESC);
-- How many merge requests are merged and closed: counted in the index alone.
CREATE INDEX gitlab_merge_requests_closed ON gitlab_merge_requests (state, project)
    WHERE deleted_at IS NULL AND state IN ('merged', 'closed');
