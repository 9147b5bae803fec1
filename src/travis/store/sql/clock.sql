-- clock
-- For messages that do not say when they were sent.
SELECT now() AS now
