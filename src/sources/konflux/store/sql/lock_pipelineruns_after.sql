-- lock_pipelineruns_after
-- The next runs in the order of their names, locked until the end of the transaction.
SELECT k.name FROM pipelineruns AS k WHERE k.name > $1 ORDER BY k.name LIMIT $2 FOR NO KEY UPDATE
