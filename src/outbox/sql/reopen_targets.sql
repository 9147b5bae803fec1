-- reopen_targets
UPDATE delivery_targets AS t SET failures = 0, trips = 0, open_until = NULL, probe_until = NULL, reason = NULL
WHERE t.name = ANY ($1::text[])
RETURNING t.name
