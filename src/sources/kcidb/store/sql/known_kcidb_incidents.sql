-- known_kcidb_incidents
SELECT t.id
FROM unnest($1::text[]) AS i (id)
JOIN kcidb_incidents AS t ON t.id = i.id
