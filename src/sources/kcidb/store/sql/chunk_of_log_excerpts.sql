-- chunk_of_log_excerpts
-- Of the next $2 texts after the hash $1, in the order of their hashes: those that are older than $3 days and that no
-- object refers to. `last` is the hash after which the next chunk begins, null at the end.
WITH chunk AS MATERIALIZED (
    SELECT t.sha256, t.received_at
    FROM kcidb_log_excerpts AS t
    WHERE t.sha256 > $1::bytea
    ORDER BY t.sha256 LIMIT $2::bigint
)
SELECT CASE WHEN count(*) = $2 THEN (array_agg(c.sha256 ORDER BY c.sha256 DESC))[1] END AS last, count(*) AS texts,
    coalesce(array_agg(c.sha256 ORDER BY c.sha256) FILTER (
        WHERE c.received_at < now() - $3::integer * interval '1 day'
            AND NOT EXISTS (SELECT FROM kcidb_tests AS x WHERE x.log_excerpt_sha256 = c.sha256)
            AND NOT EXISTS (SELECT FROM kcidb_builds AS x WHERE x.log_excerpt_sha256 = c.sha256)
            AND NOT EXISTS (SELECT FROM kcidb_checkouts AS x WHERE x.log_excerpt_sha256 = c.sha256)
    ), '{}') AS unreferenced
FROM chunk AS c
