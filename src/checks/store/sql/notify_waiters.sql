-- notify_waiters
-- Notifies the processes in which a client waits for a verdict. Each of them shares this advisory lock
-- (db/listen.rs), so that without any nothing is notified: transactions that notify commit one after another. Where
-- another transaction holds the lock at this moment, a notification too many does no harm.
SELECT pg_notify('hummingbird_status_checks', '')::text AS notified WHERE NOT pg_try_advisory_xact_lock(7205931001)
