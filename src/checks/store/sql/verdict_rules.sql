-- verdict_rules
-- The registered document of rules.
SELECT r.document, r.revision FROM verdict_rules AS r
