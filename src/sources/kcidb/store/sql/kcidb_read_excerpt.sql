-- kcidb_read_excerpt
-- The log excerpt of the checkout $1, the build $2 or the test $3.
SELECT e.text
FROM kcidb_log_excerpts AS e
WHERE e.sha256 = (SELECT c.log_excerpt_sha256 FROM kcidb_checkouts AS c WHERE c.id = $1::text)
    OR e.sha256 = (SELECT b.log_excerpt_sha256 FROM kcidb_builds AS b WHERE b.id = $2::text)
    OR e.sha256 = (SELECT t.log_excerpt_sha256 FROM kcidb_tests AS t WHERE t.id = $3::text)
