-- result_places
-- The places of results, before they are settled.
SELECT r.series::text AS series, r.point, r.place
FROM (SELECT unnest($1::text[])::uuid AS series, unnest($2::text[]) AS point) AS i
JOIN series_results AS r ON r.series = i.series AND r.point = i.point
ORDER BY r.series, r.point
