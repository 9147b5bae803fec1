-- lock_checks_after
-- Locks the next checks after a key, in the order of their keys.
SELECT c.system, c.kind, c.key FROM checks AS c
WHERE (c.system, c.kind, c.key) > ($1, $2, $3)
ORDER BY c.system, c.kind, c.key
LIMIT $4
FOR UPDATE
