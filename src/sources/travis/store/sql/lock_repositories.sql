-- lock_repositories
-- Repositories are locked last, in one statement: many transactions write builds of one repository. Returns where they
-- are.
SELECT id, owner_name, name, url FROM travis_repositories WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE
