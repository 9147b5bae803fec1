-- Buildkite: the state that a build gave itself before it counted as skipped, of which no event says so
-- (src/buildkite/sql/skip_builds.sql).
ALTER TABLE buildkite_builds ADD COLUMN skipped_from text;

-- What numbers the builds whose statuses a commit gets: numbers of two pipelines say nothing of each other. Empty in rows from
-- before.
ALTER TABLE commit_statuses ADD COLUMN version_line text NOT NULL DEFAULT '';

-- Travis: whether the message that created a build says what its branch was before; else src/travis/store/sql/follow_builds.sql keeps
-- that. Rows from before stay as they are.
ALTER TABLE travis_builds ADD COLUMN previous_told boolean NOT NULL DEFAULT true;

-- Travis: the build whose announcement says what the repository is called. Rows from before are older than any build.
ALTER TABLE travis_repositories ADD COLUMN named_by bigint;
