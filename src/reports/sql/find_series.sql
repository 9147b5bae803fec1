-- find_series
-- One series, as in list_series; $2: since when results count for how flaky it is.
SELECT s.id::text, s.system, s.host, s.repo, s.branch, s.lane, s.name, s.outcome, s.state, s.optional,
    c.sha, s.place, s.at, s.edge_at AS since, s.edge_point AS first_point, s.edge_place AS first_place,
    s.before_point, s.before_place, s.count::bigint AS count, c.url, c.log_url, f.results, f.flaky
FROM series_standing AS s
LEFT JOIN checks AS c ON c.system = s.system AND c.kind = s.kind AND c.key = s.key
CROSS JOIN LATERAL (
    SELECT count(*) AS results, count(*) FILTER (WHERE l.flaky) AS flaky FROM (
        SELECT r.flaky FROM series_results AS r
        WHERE r.series = s.id AND r.place > $2::timestamptz
        ORDER BY r.place DESC, r.point DESC
        LIMIT 100
    ) AS l
) AS f
WHERE s.id = $1::text::uuid AND NOT s.is_deleted
