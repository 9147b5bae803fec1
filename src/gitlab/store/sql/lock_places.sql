-- lock_places
-- Held until the end of the transaction: projects move, and nobody else writes of any.
SELECT pg_advisory_xact_lock(hashtext('hummingbird-status gitlab places'))
