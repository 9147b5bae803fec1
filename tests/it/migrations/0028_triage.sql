INSERT INTO kcidb_triage_queue (kind, id, revision) VALUES ('test', 'o:again', 3);
UPDATE kcidb_issue_regexes SET set_aside = 'text_match: too large' WHERE id = (SELECT min(id) FROM kcidb_issue_regexes);
