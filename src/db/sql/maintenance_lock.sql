-- maintenance_lock
-- One maintenance process at a time: two would only block each other.
SELECT pg_try_advisory_xact_lock(hashtext('hummingbird-status upkeep'))
