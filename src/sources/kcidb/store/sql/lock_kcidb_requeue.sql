-- lock_kcidb_requeue
SELECT stage, after_id FROM kcidb_requeue WHERE stage < 3 FOR UPDATE SKIP LOCKED
