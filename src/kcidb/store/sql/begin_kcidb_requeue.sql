-- begin_kcidb_requeue
-- From the beginning, even if one is under way: what it has passed has not been seen by the changed expression.
INSERT INTO kcidb_requeue AS t (one)
SELECT true
ORDER BY 1
ON CONFLICT (one) DO UPDATE SET requested_at = now(), stage = 0, after_id = ''
WHERE t.requested_at <= now()
