-- move_kcidb_requeue
UPDATE kcidb_requeue SET stage = $1, after_id = $2 WHERE stage < 3
