-- lock_early
-- Who keeps messages for builds that are still to come ($1) keeps out who creates builds, or each could miss the other.
-- Taken before any row is locked.
SELECT CASE WHEN $1::boolean
    THEN pg_advisory_xact_lock(hashtext('travis_pending'))::text
    ELSE pg_advisory_xact_lock_shared(hashtext('travis_pending'))::text
END AS locked
