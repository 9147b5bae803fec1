-- known_kcidb_issues
SELECT t.id, t.version
FROM unnest($1::text[], $2::bigint[]) AS i (id, version)
JOIN kcidb_issues AS t ON t.id = i.id AND t.version = i.version
