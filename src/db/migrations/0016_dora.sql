-- The four measures of DORA (https://dora.dev/guides/dora-metrics/), over what each system delivers:
-- * konflux: releases that came to an end, by application;
-- * buildkite and travis: builds of `main` and `master` that passed or failed, by repository (or pipeline). Which branch is the
--   default one, neither of them tells; builds of pull requests deliver nothing.
-- When a change was made is known from GitLab: the earliest push of its commit. Commits that were pushed elsewhere have no
-- lead time.

CREATE VIEW dora_deployments AS
SELECT 'konflux'::text AS system, l.application AS project, l.name AS id, l.sha, l.finished_at AS at,
    l.state = 'succeeded' AS succeeded
FROM releases AS l
WHERE l.finished_at IS NOT NULL AND l.state IN ('succeeded', 'failed')
UNION ALL
SELECT 'buildkite', coalesce(b.repo_path, b.pipeline), b.id, b.commit, b.event_at, b.state = 'passed'
FROM buildkite_builds AS b
WHERE b.state IN ('passed', 'failed') AND b.branch IN ('main', 'master')
UNION ALL
SELECT 'travis', coalesce(r.owner_name || '/' || r.name, b.repository_id::text), b.id::text, b.commit ->> 'sha', b.finished_at,
    b.state = 'passed'
FROM travis_builds AS b LEFT JOIN travis_repositories AS r ON r.id = b.repository_id
WHERE b.finished_at IS NOT NULL AND b.state IN ('passed', 'failed', 'errored') AND b.branch IN ('main', 'master')
    AND b.event_type IS DISTINCT FROM 'pull_request';

-- By week: how often something was delivered.
CREATE VIEW dora_deployment_frequency AS
SELECT d.system, d.project, date_trunc('week', d.at, 'UTC') AS week, count(*) AS deployments
FROM dora_deployments AS d
WHERE d.succeeded
GROUP BY 1, 2, 3;

-- For each delivery, how long after the push of its commit it was there.
CREATE VIEW dora_lead_times AS
SELECT d.system, d.project, d.id, d.sha, p.pushed_at, d.at AS deployed_at, d.at - p.pushed_at AS lead_time
FROM dora_deployments AS d
CROSS JOIN LATERAL (SELECT min(p.pushed_at) AS pushed_at FROM gitlab_pushes AS p WHERE p.sha = d.sha) AS p
WHERE d.succeeded AND p.pushed_at <= d.at;

-- By week: the share of what was to be delivered that failed.
CREATE VIEW dora_change_failure_rate AS
SELECT d.system, d.project, date_trunc('week', d.at, 'UTC') AS week, count(*) AS deployments,
    count(*) FILTER (WHERE NOT d.succeeded) AS failed, avg((NOT d.succeeded)::integer)::double precision AS rate
FROM dora_deployments AS d
GROUP BY 1, 2, 3;

-- For each failure that followed a success (or nothing), how long it was until something was delivered again; null until then.
CREATE VIEW dora_time_to_restore AS
SELECT f.system, f.project, f.id, f.at AS failed_at, f.restored_at, f.restored_at - f.at AS time_to_restore
FROM (
    SELECT d.*, lag(d.succeeded) OVER place AS before,
        min(d.at) FILTER (WHERE d.succeeded) OVER (back ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS restored_at
    FROM dora_deployments AS d
    WINDOW place AS (PARTITION BY d.system, d.project ORDER BY d.at, d.id),
        back AS (PARTITION BY d.system, d.project ORDER BY d.at DESC, d.id DESC)
) AS f
WHERE NOT f.succeeded AND f.before IS NOT FALSE;

CREATE INDEX releases_finished ON releases (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX travis_builds_finished ON travis_builds (finished_at) WHERE finished_at IS NOT NULL;
