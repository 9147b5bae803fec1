-- upkeep_lock
-- One upkeep at a time: two would only get in each other's way.
SELECT pg_try_advisory_xact_lock(hashtext('hummingbird-status upkeep'))
