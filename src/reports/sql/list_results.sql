-- list_results
-- The last results of a series, newest first, with the transition that each of them is, if any.
SELECT r.point, c.sha, r.place, r.state, r.outcome, r.flaky, r.at, c.started_at, c.created_at, c.url, c.log_url,
    t.transition
FROM series_results AS r
JOIN series AS s ON s.id = r.series
LEFT JOIN checks AS c ON c.system = s.system AND c.kind = r.kind AND c.key = r.key
LEFT JOIN check_transitions AS t ON t.series = r.series AND t.point = r.point
WHERE r.series = $1::text::uuid
ORDER BY r.place DESC, r.point DESC
LIMIT $2
