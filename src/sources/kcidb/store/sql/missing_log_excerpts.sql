-- missing_log_excerpts
SELECT i.sha256
FROM unnest($1::bytea[]) AS i (sha256)
WHERE NOT EXISTS (SELECT FROM kcidb_log_excerpts AS t WHERE t.sha256 = i.sha256)
ORDER BY i.sha256
