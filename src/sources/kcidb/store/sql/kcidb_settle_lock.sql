-- kcidb_settle_lock
-- One transaction at a time, until it ends: see store/progress.rs.
SELECT pg_advisory_xact_lock(hashtext('hummingbird-status kcidb'))
