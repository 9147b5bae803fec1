-- known_kcidb_tests
SELECT t.id
FROM unnest($1::text[]) AS i (id)
JOIN kcidb_tests AS t ON t.id = i.id
