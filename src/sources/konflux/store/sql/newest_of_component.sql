-- newest_of_component
-- What a component ($1) is at on its branch, among its newest 1,000 runs: its newest build of a push, the newest run of
-- each test of the newest commit that was tested, and the newest Release of a snapshot of one of its newest builds.
WITH recent AS MATERIALIZED (
    SELECT p.name, p.type, p.sha, p.scenario, row_number() OVER (PARTITION BY p.type ORDER BY p.created_at DESC) AS nth
    FROM (
        SELECT * FROM pipelineruns AS r WHERE r.component = $1 ORDER BY r.created_at DESC LIMIT 1000
    ) AS p
    LEFT JOIN components AS c ON c.name = p.component
    WHERE p.type IN ('build', 'test') AND counts_for(p.event, p.mr_iid, p.target_branch, c.git_revision)
)
SELECT 'pipelineruns' AS kind, b.name AS key FROM recent AS b WHERE b.type = 'build' AND b.nth = 1
UNION ALL
(SELECT DISTINCT ON (t.scenario) 'pipelineruns', t.name
FROM recent AS t
WHERE t.type = 'test'
    AND t.sha IS NOT DISTINCT FROM (SELECT n.sha FROM recent AS n WHERE n.type = 'test' AND n.nth = 1)
ORDER BY t.scenario, t.nth)
UNION ALL
(SELECT 'releases', l.name
FROM (
    (SELECT o.name, o.created_at FROM releases AS o
    WHERE o.component = $1 AND o.deleted_at IS NULL
    ORDER BY o.created_at DESC
    LIMIT 1)
    UNION ALL
    SELECT r.name, r.created_at
    FROM recent AS b
    JOIN snapshots AS s ON s.source_plr = b.name
    JOIN releases AS r ON r.snapshot = s.name AND r.deleted_at IS NULL
    WHERE b.type = 'build' AND b.nth <= 20
) AS l
ORDER BY l.created_at DESC
LIMIT 1)
