-- count_broken
-- How many series are bad, by source and lane; see list_series.
SELECT s.system, s.lane, count(*) AS broken
FROM series_standing AS s
WHERE s.outcome = 'bad' AND s.is_main AND NOT s.optional AND NOT s.is_deleted AND s.place > $1::timestamptz
    AND s.newer < $2
GROUP BY s.system, s.lane
ORDER BY s.system, s.lane
