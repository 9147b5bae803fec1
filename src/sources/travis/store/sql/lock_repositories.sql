-- lock_repositories
-- Repositories are locked last, in one statement: many transactions write builds of one repository.
SELECT id FROM travis_repositories WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE
