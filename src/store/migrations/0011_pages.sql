-- What the list of builds is ordered by, and what of them is under way.
CREATE INDEX buildkite_builds_event ON buildkite_builds (event_at DESC, id DESC);
CREATE INDEX buildkite_builds_under_way ON buildkite_builds (event_at)
    WHERE state IN ('creating', 'scheduled', 'waiting', 'started', 'running', 'failing', 'started_failing', 'canceling');
CREATE INDEX travis_builds_changed ON travis_builds (message_at DESC, id DESC);
CREATE INDEX travis_builds_under_way ON travis_builds (message_at)
    WHERE state IN ('created', 'queued', 'received', 'started');
CREATE INDEX travis_builds_sha ON travis_builds ((commit ->> 'sha'));
CREATE INDEX kcidb_checkouts_recent ON kcidb_checkouts (coalesce(start_time, message_at, received_at) DESC, id DESC);
