-- kcidb_read_excerpt
-- The excerpt of the log of a build ($1) or a test ($2).
SELECT e.text
FROM kcidb_log_excerpts AS e
WHERE e.sha256 = (SELECT b.log_excerpt_sha256 FROM kcidb_builds AS b WHERE b.id = $1::text)
    OR e.sha256 = (SELECT t.log_excerpt_sha256 FROM kcidb_tests AS t WHERE t.id = $2::text)
