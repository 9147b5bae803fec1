-- lock_early
-- A transaction that stores pending messages ($1) excludes transactions that create builds: otherwise a message could
-- stay pending although its build exists. This advisory lock is taken before any row is locked.
SELECT CASE WHEN $1::boolean
    THEN pg_advisory_xact_lock(hashtext('travis_pending'))::text
    ELSE pg_advisory_xact_lock_shared(hashtext('travis_pending'))::text
END AS locked
