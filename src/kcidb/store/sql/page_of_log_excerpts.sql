-- page_of_log_excerpts
-- Of the next texts after a hash, so many, in the order of their hashes: those that are older than so many days and that nothing
-- names. `last` is where the next page begins, null for the end.
WITH page AS MATERIALIZED (
    SELECT t.sha256, t.received_at FROM kcidb_log_excerpts AS t WHERE t.sha256 > $1::bytea ORDER BY t.sha256 LIMIT $2::bigint
)
SELECT CASE WHEN count(*) = $2 THEN (array_agg(p.sha256 ORDER BY p.sha256 DESC))[1] END AS last, count(*) AS texts,
    coalesce(array_agg(p.sha256 ORDER BY p.sha256) FILTER (
        WHERE p.received_at < now() - $3::integer * interval '1 day'
            AND NOT EXISTS (SELECT FROM kcidb_tests AS x WHERE x.log_excerpt_sha256 = p.sha256)
            AND NOT EXISTS (SELECT FROM kcidb_builds AS x WHERE x.log_excerpt_sha256 = p.sha256)
            AND NOT EXISTS (SELECT FROM kcidb_checkouts AS x WHERE x.log_excerpt_sha256 = p.sha256)
    ), '{}') AS unnamed
FROM page AS p
