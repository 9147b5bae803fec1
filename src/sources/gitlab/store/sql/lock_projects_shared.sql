-- lock_projects_shared
-- Shared lock until the end of the transaction: no other transaction moves rows of projects.
SELECT pg_advisory_xact_lock_shared(hashtext('hummingbird-status gitlab places'))
