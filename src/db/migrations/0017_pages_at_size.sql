-- What is held up on its way to a release; few rows at any time, as most go on at once.
CREATE INDEX snapshots_held_up ON snapshots (created_at DESC)
    WHERE deleted_at IS NULL AND (test_state = 'running'
        OR (test_state = 'passed' AND mr_iid IS NULL AND (release_state IS NULL OR release_state = 'not_released')));
-- Restarts are few.
CREATE INDEX travis_job_versions_recent ON travis_job_versions (message_at);

-- What each system delivers, by itself: the newest of each can be read without reading the rest.
CREATE VIEW dora_konflux AS
SELECT 'konflux'::text AS system, l.application AS project, l.name AS id, l.sha, l.finished_at AS at,
    l.state = 'succeeded' AS succeeded
FROM releases AS l
WHERE l.finished_at IS NOT NULL AND l.state IN ('succeeded', 'failed');

CREATE VIEW dora_buildkite AS
SELECT 'buildkite'::text AS system, coalesce(b.repo_path, b.pipeline) AS project, b.id, b.commit AS sha, b.event_at AS at,
    b.state = 'passed' AS succeeded
FROM buildkite_builds AS b
WHERE b.state IN ('passed', 'failed') AND b.branch IN ('main', 'master');

CREATE VIEW dora_travis AS
SELECT 'travis'::text AS system, coalesce(r.owner_name || '/' || r.name, b.repository_id::text) AS project, b.id::text AS id,
    b.commit ->> 'sha' AS sha, b.finished_at AS at, b.state = 'passed' AS succeeded
FROM travis_builds AS b LEFT JOIN travis_repositories AS r ON r.id = b.repository_id
WHERE b.finished_at IS NOT NULL AND b.state IN ('passed', 'failed', 'errored') AND b.branch IN ('main', 'master')
    AND b.event_type IS DISTINCT FROM 'pull_request';

CREATE OR REPLACE VIEW dora_deployments AS
SELECT * FROM dora_konflux
UNION ALL SELECT * FROM dora_buildkite
UNION ALL SELECT * FROM dora_travis;
