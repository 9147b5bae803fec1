-- list_targets
-- Counted state by state, as the indexes are.
SELECT t.name, t.failures, t.trips, CASE WHEN t.open_until > now() THEN t.open_until END AS open_until, t.reason,
    s.pending + d.pending AS pending, sd.dead + dd.dead AS dead, least(s.oldest, d.oldest) AS oldest
FROM delivery_targets AS t
CROSS JOIN LATERAL (
    SELECT count(*) AS pending, min(c.wanted_at) AS oldest
    FROM commit_statuses AS c WHERE c.target = t.name AND c.state = 'pending'
) AS s
CROSS JOIN LATERAL (
    SELECT count(*) AS dead FROM commit_statuses AS c WHERE c.target = t.name AND c.state = 'dead'
) AS sd
CROSS JOIN LATERAL (
    SELECT count(*) AS pending, min(c.since) AS oldest
    FROM deliveries AS c WHERE c.target = t.name AND c.state = 'pending'
) AS d
CROSS JOIN LATERAL (
    SELECT count(*) AS dead FROM deliveries AS c WHERE c.target = t.name AND c.state = 'dead'
) AS dd
ORDER BY t.name
