-- lock_places_shared
-- Held until the end of the transaction: no project moves meanwhile.
SELECT pg_advisory_xact_lock_shared(hashtext('hummingbird-status gitlab places'))
