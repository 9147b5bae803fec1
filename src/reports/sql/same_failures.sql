-- same_failures
-- In how many other merge requests of a repository ($3, all but $4) checks of these sources and names failed within a
-- day of a time ($5), among the last 10,000 checks of that time.
SELECT f.system, f.name, count(DISTINCT f.mr) AS requests
FROM (
    SELECT c.system, c.name, c.mr, c.lane, c.state FROM checks AS c
    WHERE c.repo = $3 AND c.created_at BETWEEN $5::timestamptz - interval '24 hours' AND $5 + interval '24 hours'
    ORDER BY c.created_at DESC
    LIMIT 10000
) AS f
JOIN (SELECT unnest($1::text[]) AS system, unnest($2::text[]) AS name) AS i
    ON f.system = i.system AND f.name = i.name
WHERE f.lane = 'mr' AND f.mr <> $4 AND f.state IN ('failing', 'failed', 'errored', 'blocked_failed')
GROUP BY f.system, f.name
ORDER BY f.system, f.name
