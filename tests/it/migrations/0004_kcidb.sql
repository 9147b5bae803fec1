INSERT INTO kcidb_checkouts (id, origin, tree_name, git_commit_tags, valid, start_time, misc, message_id, message_at)
VALUES ('o:c', 'o', 'mainline', '["v6.1"]', true, '2026-03-10 10:00:00Z', '{"iid": 1}', 'm-1', '2026-03-10 10:00:00Z');
INSERT INTO kcidb_builds (id, checkout_id, origin, architecture, status, message_id, message_at, older)
VALUES ('o:b', 'o:c', 'o', 'arm64', 'PASS', 'm-2', '2026-03-10 10:01:00Z', '[["2026-03-10T10:00:00Z", "m-1", ["architecture"]]]');
INSERT INTO kcidb_tests (id, build_id, origin, path, status, log_excerpt_sha256, message_id)
VALUES ('o:t', 'o:b', 'o', 'ltp.sem01', 'FAIL', '\x2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae', 'm-3');
INSERT INTO kcidb_log_excerpts (sha256, text)
VALUES ('\x2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae', 'foo');
INSERT INTO kcidb_issues (id, version, origin, culprit_code, message_id) VALUES ('o:i', 20240502101105, 'o', true, 'm-4');
INSERT INTO kcidb_incidents (id, origin, issue_id, issue_version, test_id, present, message_id)
VALUES ('o:n', 'o', 'o:i', 20240502101105, 'o:t', true, 'm-4');
INSERT INTO kcidb_milestones (checkout_id, milestone, overdue) VALUES ('o:c', 'build_setups_finished', false);
INSERT INTO kcidb_occurrences (incident_id, checkout_id) VALUES ('o:n', 'o:c');
INSERT INTO kcidb_issue_regexes (id, issue_id, text_match, deleted, message_id) VALUES ('o:r', 'o:i', 'BUG', false, 'm-5');
INSERT INTO kcidb_triage_queue (kind, id) VALUES ('test', 'o:t');
INSERT INTO kcidb_requeue (stage) VALUES (2);
