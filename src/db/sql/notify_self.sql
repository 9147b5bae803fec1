-- notify_self
SELECT pg_notify('hummingbird_status_due', 'self')::text AS notified
