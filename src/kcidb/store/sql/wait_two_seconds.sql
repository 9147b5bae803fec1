-- wait_two_seconds
-- For a lock, in this transaction: others would stand in line behind us.
SELECT set_config('lock_timeout', '2s', true)
