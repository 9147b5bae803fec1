-- begin_kcidb_requeue
-- Restarts a requeue that is running: the changed expression has not seen the objects that it has passed.
INSERT INTO kcidb_requeue AS t (one)
SELECT true
ORDER BY 1
ON CONFLICT (one) DO UPDATE SET requested_at = now(), stage = 0, after_id = ''
WHERE t.requested_at <= now()
