-- summary
WITH parts (name, part) AS (
    SELECT 'gitlab_pushes', 'of ' || repo FROM gitlab_pushes
    UNION ALL SELECT 'gitlab_merge_requests', state FROM gitlab_merge_requests
    UNION ALL SELECT 'gitlab_mr_versions', 'heads' FROM gitlab_mr_versions
    UNION ALL SELECT 'gitlab_pipelines', status FROM gitlab_pipelines
    UNION ALL SELECT 'gitlab_jobs', status FROM gitlab_jobs
    UNION ALL SELECT 'gitlab_deployments', status FROM gitlab_deployments
    UNION ALL SELECT 'components', CASE WHEN deleted_at IS NULL THEN 'live' ELSE 'deleted' END FROM components
    UNION ALL SELECT 'pipelineruns', type || ' ' || state FROM pipelineruns
    UNION ALL SELECT 'snapshots', 'tests ' || coalesce(test_state, 'unknown') FROM snapshots
    UNION ALL SELECT 'releases', state FROM releases
    UNION ALL SELECT 'replaced', kind FROM replaced
    UNION ALL SELECT 'buildkite_builds', state FROM buildkite_builds
    UNION ALL SELECT 'travis_builds', state FROM travis_builds
    UNION ALL SELECT 'travis_jobs', state FROM travis_jobs
    UNION ALL SELECT 'kcidb_checkouts', 'of ' || origin FROM kcidb_checkouts
    UNION ALL SELECT 'kcidb_builds', coalesce(status, 'no status') FROM kcidb_builds
    UNION ALL SELECT 'kcidb_tests', coalesce(status, 'no status') FROM kcidb_tests
    UNION ALL SELECT 'bots', status FROM bots
    UNION ALL SELECT 'outbox', family FROM outbox
    UNION ALL SELECT 'refused', reason FROM refused
), counted AS (
    SELECT name, part, count(*) AS n FROM parts GROUP BY name, part
)
SELECT t.name, coalesce(sum(c.n), 0)::bigint AS rows,
    coalesce(string_agg(c.part || ' ' || c.n, ', ' ORDER BY c.n DESC, c.part), '') AS detail
FROM (VALUES
    (1, 'gitlab_pushes'), (2, 'gitlab_merge_requests'), (3, 'gitlab_mr_versions'), (4, 'gitlab_pipelines'),
    (5, 'gitlab_jobs'), (6, 'gitlab_deployments'), (7, 'components'), (8, 'pipelineruns'), (9, 'snapshots'),
    (10, 'releases'), (11, 'replaced'), (12, 'buildkite_builds'), (13, 'travis_builds'), (14, 'travis_jobs'),
    (15, 'kcidb_checkouts'), (16, 'kcidb_builds'), (17, 'kcidb_tests'), (18, 'bots'), (19, 'outbox'), (20, 'refused')
) AS t (ordinal, name)
LEFT JOIN counted AS c USING (name)
GROUP BY t.ordinal, t.name
ORDER BY t.ordinal
