-- target_results
-- The last $5 results of series of a branch ($4) of a repository ($3), by source and name, oldest first.
SELECT s.id::text AS series, s.host, s.system, s.name, r.place, r.outcome = 'ok' AS is_ok, r.flaky AS is_flaky
FROM (SELECT unnest($1::text[]) AS system, unnest($2::text[]) AS name) AS i
JOIN series AS s ON s.repo = $3 AND s.branch = $4 AND s.lane = 'push' AND s.system = i.system AND s.name = i.name
CROSS JOIN LATERAL (
    SELECT k.place, k.point, k.outcome, k.flaky FROM series_results AS k
    WHERE k.series = s.id
    ORDER BY k.place DESC, k.point DESC
    LIMIT $5
) AS r
ORDER BY s.id, r.place, r.point
