-- lock_repositories
-- The last rows to be locked, and all at once: builds of one repository are written by many.
SELECT id FROM travis_repositories WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE
