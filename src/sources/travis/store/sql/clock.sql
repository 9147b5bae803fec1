-- clock
-- The time for messages that lack the time when they were sent.
SELECT now() AS now
