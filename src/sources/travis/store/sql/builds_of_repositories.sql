-- builds_of_repositories
-- All builds of repositories, which are locked: a transaction that changes one of these builds waits for that lock
-- before it derives the check of the build.
SELECT b.id FROM travis_builds AS b WHERE b.repository_id = ANY ($1::bigint[]) ORDER BY b.id
