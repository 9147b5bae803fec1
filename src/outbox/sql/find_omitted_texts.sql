-- find_omitted_texts
-- Texts of all sources that omit texts from their payloads: one source so far.
SELECT t.sha256, t.text
FROM unnest($1::bytea[]) AS i (sha256)
JOIN kcidb_log_excerpts AS t ON t.sha256 = i.sha256
