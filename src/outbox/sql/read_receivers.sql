-- read_receivers
-- The targets that can receive events, one row without a name when there is none; and whether targets are registered.
SELECT t.name, t.rules, t.max_age_s, t.registered_at, now() AS now, EXISTS (SELECT FROM delivery_registry) AS known
FROM (VALUES (1)) AS one (row)
LEFT JOIN delivery_targets AS t ON t.disabled_at IS NULL
ORDER BY t.name
