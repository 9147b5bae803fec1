-- analyze_partitioned
-- Autovacuum looks at partitions, never at the whole.
ANALYZE refused, outbox, deliveries, bot_beats
