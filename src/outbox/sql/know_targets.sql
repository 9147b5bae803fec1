-- know_targets
-- From now on it is known which targets there are, and events that none of them receives are not written.
INSERT INTO delivery_registry (one) SELECT true AS one ORDER BY one ON CONFLICT DO NOTHING
