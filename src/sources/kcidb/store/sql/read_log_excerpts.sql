-- read_log_excerpts
SELECT t.sha256, t.text
FROM unnest($1::bytea[]) AS i (sha256)
JOIN kcidb_log_excerpts AS t ON t.sha256 = i.sha256
