-- rejected_by_reason
SELECT reason, family, count(*) AS n, min(sent_at) AS oldest, max(sent_at) AS newest
FROM refused
GROUP BY reason, family
ORDER BY n DESC, reason, family
