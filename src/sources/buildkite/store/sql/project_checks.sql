-- project_checks
-- What the checks of builds are made of.
SELECT b.id, b.number, b.state, b.blocked_state, b.ever_bad, b.commit, b.branch, b.source, b.repo_host, b.repo_path,
    b.organization, b.pipeline, b.started_at, b.finished_at, b.event_at
FROM buildkite_builds AS b
WHERE b.id = ANY ($1::text[])
ORDER BY b.id
