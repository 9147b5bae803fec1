-- settle_series
-- Writes how series stand: their newest result, and the edge that began the present run of equal outcomes; deletes
-- series without a result. The series are locked; their results and transitions are settled.
WITH gone AS (
    DELETE FROM series AS t USING (SELECT unnest($1::text[])::uuid AS id) AS i
    WHERE t.id = i.id AND NOT EXISTS (SELECT FROM series_results AS r WHERE r.series = i.id)
)
UPDATE series AS t SET
    kind = n.kind, key = n.key, point = n.point, place = n.place, state = n.state, outcome = n.outcome,
    optional = n.optional, at = n.at, edge_point = n.edge_point, edge_place = n.edge_place, edge_at = n.edge_at,
    before_point = n.before_point, before_place = n.before_place, count = n.count
FROM (
    SELECT i.id, r.kind, r.key, r.point, r.place, r.state, r.outcome, r.optional, r.at, e.point AS edge_point,
        e.place AS edge_place, e.at AS edge_at, e.before_point, e.before_place, k.count
    FROM (SELECT unnest($1::text[])::uuid AS id) AS i
    CROSS JOIN LATERAL (
        SELECT * FROM series_results AS l WHERE l.series = i.id ORDER BY l.place DESC, l.point DESC LIMIT 1
    ) AS r
    LEFT JOIN LATERAL (
        SELECT * FROM check_transitions AS l
        WHERE l.series = i.id AND l.transition <> 'flaky'
        ORDER BY l.place DESC, l.point DESC
        LIMIT 1
    ) AS e ON true
    LEFT JOIN LATERAL (
        SELECT count(*)::integer AS count FROM (
            SELECT FROM series_results AS l
            WHERE l.series = i.id AND (l.place, l.point) >= (e.place, e.point)
            LIMIT 100
        ) AS run
    ) AS k ON r.outcome = 'bad'
) AS n
WHERE t.id = n.id
    AND (t.kind, t.key, t.point, t.place, t.state, t.outcome, t.optional, t.at, t.edge_point, t.edge_place, t.edge_at,
        t.before_point, t.before_place, t.count)
    IS DISTINCT FROM (n.kind, n.key, n.point, n.place, n.state, n.outcome, n.optional, n.at, n.edge_point,
        n.edge_place, n.edge_at, n.before_point, n.before_place, n.count)
RETURNING t.id::text
