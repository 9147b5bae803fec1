-- outside a transaction
-- Builds that wait to start: few at a time, and asked for whenever one starts.
CREATE INDEX CONCURRENTLY IF NOT EXISTS buildkite_builds_waiting ON buildkite_builds (pipeline_id, branch, number)
    WHERE state IN ('creating', 'scheduled', 'waiting');
