-- notify_self
SELECT pg_notify($1, 'self')::text AS notified
