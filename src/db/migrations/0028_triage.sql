-- Matching runs outside of a transaction: what was queued again meanwhile is known by its revision, and stays queued.
ALTER TABLE kcidb_triage_queue ADD COLUMN revision bigint NOT NULL DEFAULT 0;

-- Why an expression is not used: too large, too slow, one too many. Until it is changed.
ALTER TABLE kcidb_issue_regexes ADD COLUMN set_aside text;
