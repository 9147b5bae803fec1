-- lock_log_excerpts
-- Whoever writes an object first looks whether its text is there, and holds this table until it has committed. So nobody is
-- between the two while we hold it, and what nothing names now, nothing names.
LOCK TABLE kcidb_log_excerpts IN ACCESS EXCLUSIVE MODE
