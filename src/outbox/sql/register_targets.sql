-- register_targets
INSERT INTO delivery_targets (name)
SELECT i.name FROM unnest($1::text[]) AS i (name)
ORDER BY i.name
ON CONFLICT DO NOTHING
