-- kcidb_checkouts_after
-- The next checkouts in the order of their ids. The lock of kcidb_settle_lock is held.
SELECT c.id FROM kcidb_checkouts AS c WHERE c.id > $1 ORDER BY c.id LIMIT $2
