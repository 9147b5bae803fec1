-- kcidb_settle_lock
-- One at a time, until the transaction ends: see store/progress.rs.
SELECT pg_advisory_xact_lock(hashtext('hummingbird-status kcidb'))
