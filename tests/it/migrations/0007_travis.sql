INSERT INTO travis_repositories (id, owner_name, name, private, last_build_id, last_build_number, last_build_state, last_build_duration, last_build_started_at, last_build_finished_at, current_build_id, message_id, message_at) VALUES
    (1000, 'sven', 'old', false, 1000, '7', 'failed', 30, '2026-03-12T10:01:19Z', '2026-03-12T10:01:49Z', 1000, 'm0', '2026-03-12T10:00:00Z');
INSERT INTO travis_builds (id, repository_id, number, state, event_type, branch, commit, notifications, duration, created_at, received_at, started_at, finished_at, message_id, message_at) VALUES
    (1000, 1000, '7', 'failed', 'push', 'main', '{"sha": "62aae5f70ceee39123ef62aae5f70ceee39123ef"}', '{"email": false}', 30, '2026-03-12T10:00:00Z', '2026-03-12T10:01:09Z', '2026-03-12T10:01:19Z', '2026-03-12T10:01:49Z', 'm3', '2026-03-12T10:01:50Z');
INSERT INTO travis_stages (id, build_id, number, name, state, started_at, finished_at, message_id, message_at) VALUES
    (1000, 1000, 1, 'test', 'failed', '2026-03-12T10:01:19Z', '2026-03-12T10:01:49Z', 'm3', '2026-03-12T10:01:50Z'),
    (1001, 1000, 2, 'deploy', 'created', NULL, NULL, 'm0', '2026-03-12T10:00:00Z');
INSERT INTO travis_jobs (id, build_id, repository_id, stage_id, stage_number, number, state, created_at, queued_at, received_at, started_at, finished_at, restarted_at, attempt, run_at, run_message_id, run_uuid, run_count, message_id, message_at) VALUES
    (10001, 1000, 1000, 1000, '1.1', '7.1', 'failed', '2026-03-12T10:00:00Z', '2026-03-12T10:01:05Z', '2026-03-12T10:01:09Z', '2026-03-12T10:01:19Z', '2026-03-12T10:01:49Z', '2026-03-12T10:01:00Z', 2, '2026-03-12T10:01:00Z', 'm1', 'run-2', 2, 'm3', '2026-03-12T10:01:50Z'),
    (10002, 1000, 1000, 1001, '2.1', '7.2', 'created', '2026-03-12T10:00:00Z', NULL, NULL, NULL, NULL, NULL, 1, NULL, NULL, NULL, NULL, 'm0', '2026-03-12T10:00:00Z');
INSERT INTO travis_job_versions (job_id, number, state, created_at, started_at, finished_at, message_id, message_at) VALUES
    (10001, 1, 'errored', '2026-03-12T10:00:00Z', '2026-03-12T10:00:20Z', '2026-03-12T10:00:40Z', 'm1', '2026-03-12T10:00:41Z');
INSERT INTO travis_queueable_jobs (job_id, build_id) VALUES (10002, 1000);
INSERT INTO travis_pending (object, object_id, message_id, message_at, event, told) VALUES
    ('job', 10009, 'm9', '2026-03-12T10:01:50Z', 'passed', '{"finished_at": "2026-03-12T10:01:49Z"}');
