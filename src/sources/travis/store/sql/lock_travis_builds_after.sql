-- lock_travis_builds_after
-- The next builds in the order of their ids, locked until the end of the transaction, with their repositories.
SELECT b.id, b.repository_id FROM travis_builds AS b WHERE b.id > $1 ORDER BY b.id LIMIT $2 FOR NO KEY UPDATE
