-- settle_transitions
-- Writes the transitions of results that changed and of those after them. $3: the place of each before, if it had one.
-- The series are locked.
WITH changed AS MATERIALIZED (
    SELECT unnest($1::text[])::uuid AS series, unnest($2::text[]) AS point, unnest($3::timestamptz[]) AS place
),
places AS MATERIALIZED (
    SELECT c.series, c.point, c.place FROM changed AS c WHERE c.place IS NOT NULL
    UNION
    SELECT r.series, r.point, r.place FROM changed AS c
    JOIN series_results AS r ON r.series = c.series AND r.point = c.point
),
candidates AS MATERIALIZED (
    SELECT c.series, c.point FROM changed AS c
    UNION
    SELECT p.series, n.point FROM places AS p
    CROSS JOIN LATERAL (
        SELECT r.point FROM series_results AS r
        WHERE r.series = p.series AND (r.place, r.point) > (p.place, p.point)
        ORDER BY r.place, r.point
        LIMIT 1
    ) AS n
),
edges AS MATERIALIZED (
    SELECT r.series, r.point, r.place, s.system, r.kind, r.key,
        CASE WHEN coalesce(b.outcome, 'ok') = r.outcome THEN 'flaky' WHEN r.outcome = 'bad' THEN 'broken'
            ELSE 'fixed' END AS transition,
        r.flaky, r.at, b.point AS before_point, b.place AS before_place
    FROM candidates AS c
    JOIN series_results AS r ON r.series = c.series AND r.point = c.point
    JOIN series AS s ON s.id = c.series
    LEFT JOIN LATERAL (
        SELECT k.outcome, k.point, k.place FROM series_results AS k
        WHERE k.series = r.series AND (k.place, k.point) < (r.place, r.point)
        ORDER BY k.place DESC, k.point DESC
        LIMIT 1
    ) AS b ON true
    WHERE coalesce(b.outcome, 'ok') <> r.outcome OR r.flaky
),
gone AS (
    DELETE FROM check_transitions AS t USING candidates AS c
    WHERE t.series = c.series AND t.point = c.point
        AND NOT EXISTS (SELECT FROM edges AS e WHERE e.series = c.series AND e.point = c.point)
)
INSERT INTO check_transitions AS t (
    series, point, place, system, kind, key, transition, flaky, at, before_point, before_place
)
SELECT e.series, e.point, e.place, e.system, e.kind, e.key, e.transition, e.flaky, e.at, e.before_point, e.before_place
FROM edges AS e
ORDER BY e.series, e.point
ON CONFLICT (series, point) DO UPDATE SET
    place = excluded.place, system = excluded.system, kind = excluded.kind, key = excluded.key,
    transition = excluded.transition, flaky = excluded.flaky, at = excluded.at,
    before_point = excluded.before_point, before_place = excluded.before_place
WHERE (t.place, t.system, t.kind, t.key, t.transition, t.flaky, t.at, t.before_point, t.before_place)
    IS DISTINCT FROM (excluded.place, excluded.system, excluded.kind, excluded.key, excluded.transition,
        excluded.flaky, excluded.at, excluded.before_point, excluded.before_place)
RETURNING t.series::text, t.point
