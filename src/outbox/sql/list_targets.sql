-- list_targets
SELECT t.name, t.failures, t.trips, CASE WHEN t.open_until > now() THEN t.open_until END AS open_until, t.reason,
    s.pending + d.pending AS pending, s.dead + d.dead AS dead, least(s.oldest, d.oldest) AS oldest
FROM delivery_targets AS t
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE c.state = 'pending') AS pending, count(*) FILTER (WHERE c.state = 'dead') AS dead,
        min(c.wanted_at) FILTER (WHERE c.state = 'pending') AS oldest
    FROM commit_statuses AS c WHERE c.target = t.name AND c.state <> 'delivered'
) AS s
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE c.state = 'pending') AS pending, count(*) FILTER (WHERE c.state = 'dead') AS dead,
        min(c.since) FILTER (WHERE c.state = 'pending') AS oldest
    FROM deliveries AS c WHERE c.target = t.name AND c.state <> 'delivered'
) AS d
ORDER BY t.name
