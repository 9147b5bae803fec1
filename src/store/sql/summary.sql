-- summary
WITH parts (place, name, part) AS (
    SELECT 1, 'gitlab_pushes', 'of ' || repo FROM gitlab_pushes
    UNION ALL SELECT 2, 'gitlab_merge_requests', state FROM gitlab_merge_requests
    UNION ALL SELECT 3, 'gitlab_mr_versions', 'heads' FROM gitlab_mr_versions
    UNION ALL SELECT 4, 'components', CASE WHEN deleted_at IS NULL THEN 'live' ELSE 'deleted' END FROM components
    UNION ALL SELECT 5, 'pipelineruns', type || ' ' || state FROM pipelineruns
    UNION ALL SELECT 6, 'snapshots', 'tests ' || coalesce(test_state, 'unknown') FROM snapshots
    UNION ALL SELECT 7, 'releases', state FROM releases
    UNION ALL SELECT 8, 'replaced', kind FROM replaced
    UNION ALL SELECT 9, 'bots', status FROM bots
    UNION ALL SELECT 10, 'refused', reason FROM refused
), counted AS (
    SELECT place, name, part, count(*) AS n FROM parts GROUP BY place, name, part
)
SELECT t.name, coalesce(sum(c.n), 0)::bigint AS rows,
    coalesce(string_agg(c.part || ' ' || c.n, ', ' ORDER BY c.n DESC, c.part), '') AS detail
FROM (VALUES (1, 'gitlab_pushes'), (2, 'gitlab_merge_requests'), (3, 'gitlab_mr_versions'), (4, 'components'),
             (5, 'pipelineruns'), (6, 'snapshots'), (7, 'releases'), (8, 'replaced'), (9, 'bots'), (10, 'refused')) AS t (place, name)
LEFT JOIN counted AS c USING (place, name)
GROUP BY t.place, t.name
ORDER BY t.place
