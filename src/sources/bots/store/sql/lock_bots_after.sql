-- lock_bots_after
-- The next bots in the order of their names, locked until the end of the transaction.
SELECT b.name FROM bots AS b WHERE b.name > $1 ORDER BY b.name LIMIT $2 FOR NO KEY UPDATE
