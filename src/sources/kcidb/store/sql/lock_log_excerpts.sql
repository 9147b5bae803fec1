-- lock_log_excerpts
-- A transaction that writes objects first reads or inserts their texts, which locks this table until it commits. While
-- this exclusive lock is held, no such transaction is in progress, so that texts that are unreferenced now stay
-- unreferenced.
LOCK TABLE kcidb_log_excerpts IN ACCESS EXCLUSIVE MODE
