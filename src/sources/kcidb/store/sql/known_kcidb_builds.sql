-- known_kcidb_builds
SELECT t.id
FROM unnest($1::text[]) AS i (id)
JOIN kcidb_builds AS t ON t.id = i.id
