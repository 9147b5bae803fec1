-- summary
WITH parts (name, part) AS (
    SELECT 'gitlab_pushes', 'of ' || repo FROM gitlab_pushes
    UNION ALL SELECT 'gitlab_merge_requests', state FROM gitlab_merge_requests
    UNION ALL SELECT 'gitlab_mr_versions', 'heads' FROM gitlab_mr_versions
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
    (1, 'gitlab_pushes'), (2, 'gitlab_merge_requests'), (3, 'gitlab_mr_versions'), (4, 'components'),
    (5, 'pipelineruns'), (6, 'snapshots'), (7, 'releases'), (8, 'replaced'), (9, 'buildkite_builds'),
    (10, 'travis_builds'), (11, 'travis_jobs'), (12, 'kcidb_checkouts'), (13, 'kcidb_builds'), (14, 'kcidb_tests'),
    (15, 'bots'), (16, 'outbox'), (17, 'refused')
) AS t (ordinal, name)
LEFT JOIN counted AS c USING (name)
GROUP BY t.ordinal, t.name
ORDER BY t.ordinal
