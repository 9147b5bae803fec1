-- know_targets
-- Records that the targets are registered: events that none of them receives are no longer written.
INSERT INTO delivery_registry (one) SELECT true AS one ORDER BY one ON CONFLICT DO NOTHING
