-- lock_projects
-- Exclusive lock until the end of the transaction, which moves rows of projects: no other transaction writes rows of
-- GitLab.
SELECT pg_advisory_xact_lock(hashtext('hummingbird-status gitlab places'))
