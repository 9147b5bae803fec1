-- insert_log_excerpts
INSERT INTO kcidb_log_excerpts (sha256, text)
SELECT i.sha256, i.text
FROM unnest($1::bytea[], $2::text[]) AS i (sha256, text)
ORDER BY i.sha256
ON CONFLICT (sha256) DO NOTHING
