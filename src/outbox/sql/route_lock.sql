-- route_lock
-- One process routes at a time: two could turn the order of a key round.
SELECT pg_try_advisory_xact_lock(hashtext('hummingbird-status route'))
