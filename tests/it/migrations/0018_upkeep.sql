INSERT INTO upkeep_passes (task, cursor, finished_at) VALUES ('log_excerpts', '00ff', '2026-03-10 10:00Z'), ('analyze', '', NULL);
