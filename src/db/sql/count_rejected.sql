-- count_rejected
-- By source and reason, since a time.
SELECT coalesce(r.family, '') AS family, r.reason, count(*) AS messages, max(r.received_at) AS newest
FROM refused AS r
WHERE r.received_at >= $1
GROUP BY 1, 2
ORDER BY count(*) DESC, 1, 2
LIMIT 50
