-- lock_builds_after
-- The next builds in the order of their ids, locked until the end of the transaction.
SELECT b.id FROM buildkite_builds AS b WHERE b.id > $1 ORDER BY b.id LIMIT $2 FOR NO KEY UPDATE
