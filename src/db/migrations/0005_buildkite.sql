-- Builds of Buildkite: the newest event of each, by (number, event_at, finished_at, failing_at, started_at, message_id)
-- (src/buildkite/record.rs). No URL of a repository is kept: it may hold a password.
CREATE TABLE buildkite_builds (
    id text COLLATE "C" PRIMARY KEY,
    number bigint NOT NULL CHECK (number > 0),
    state text NOT NULL,
    blocked_state text,
    commit text,
    branch text,
    title text,
    source text,
    repo_host text,
    repo_path text,
    pipeline text,
    pipeline_id text,
    organization text,
    organization_id text,
    started_at timestamptz,
    failing_at timestamptz,
    finished_at timestamptz,
    event_at timestamptz NOT NULL,
    detail_type text,
    message_id text COLLATE "C" NOT NULL,
    message_at timestamptz,
    received_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT buildkite_builds_repo_is_whole CHECK ((repo_host IS NULL) = (repo_path IS NULL))
);
CREATE INDEX buildkite_builds_commit ON buildkite_builds (commit);
CREATE INDEX buildkite_builds_pipeline ON buildkite_builds (organization, pipeline, number);
