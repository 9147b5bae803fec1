-- known_kcidb_checkouts
SELECT t.id
FROM unnest($1::text[]) AS i (id)
JOIN kcidb_checkouts AS t ON t.id = i.id
