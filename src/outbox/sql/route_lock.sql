-- route_lock
-- One process routes at a time: two could change the order of the events of a key.
SELECT pg_try_advisory_xact_lock(hashtext('hummingbird-status route'))
