-- list_transitions_recent
-- The newest transitions of series of default branches, releases and tags; of one repository if given, among the
-- newest 10,000.
SELECT t.series::text, s.system, s.host, s.repo, s.branch, s.lane, s.name, t.transition, t.at, t.place, t.point,
    t.before_point, t.before_place, c.sha, c.state, c.url, c.log_url
FROM (
    SELECT * FROM check_transitions AS k
    WHERE k.at > $1::timestamptz AND k.transition = ANY ($2::text[])
    ORDER BY k.at DESC, k.series, k.point
    LIMIT 10000
) AS t
JOIN series_standing AS s ON s.id = t.series
LEFT JOIN checks AS c ON c.system = t.system AND c.kind = t.kind AND c.key = t.key
WHERE s.is_main AND NOT s.optional
    AND ($3::text IS NULL OR s.repo = $3)
ORDER BY t.at DESC, t.series, t.point
LIMIT $4
