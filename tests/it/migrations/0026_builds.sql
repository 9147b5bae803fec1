INSERT INTO buildkite_builds (id, number, state, skipped_from, commit, branch, repo_host, repo_path, pipeline, pipeline_id, organization, event_at, message_id)
VALUES ('skipped', 8, 'skipped', 'scheduled', 'sha', 'main', 'ghe', 'o/n', 'app', 'p', 'acme', '2026-03-10T10:00:00Z', 'm8');
INSERT INTO commit_statuses (target, repo, sha, context, name, wanted_state, wanted_description, version_number, version_at, version_tie, version_line, outbox_id)
VALUES ('t', 'o/n', 'sha', 'line', 'line', 'failure', 'd', 8, '2026-03-10T10:00:00Z', '', 'p', 1);
INSERT INTO travis_builds (id, repository_id, number, state, previous_state, previous_told, event_type, branch, commit, message_id, message_at)
VALUES (1019, 1000, '19', 'passed', 'failed', false, 'push', 'main', '{}', 'm19', '2026-03-10T10:00:00Z');
INSERT INTO travis_repositories (id, owner_name, name, private, named_by, message_id, message_at)
VALUES (1019, 'sven', 'named', false, 1019, 'm19', '2026-03-10T10:00:00Z');
