-- wait_two_seconds
-- Limits the wait for a lock in this transaction: other transactions queue behind the waiting one.
SELECT set_config('lock_timeout', '2s', true)
