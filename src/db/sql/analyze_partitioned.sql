-- analyze_partitioned
-- Autovacuum analyzes partitions only, never the partitioned table.
ANALYZE refused, outbox, deliveries, bot_beats
