INSERT INTO delivery_registry (one) VALUES (true);
UPDATE delivery_awake SET awake_until = '2026-03-10 10:00Z';
INSERT INTO delivery_targets (name, rules, max_age_s, deployment, registered_at, seen_at) VALUES
    ('ghe2', '{"kind": "events", "families": null, "events": null}', 21600, 'd', '2026-03-10 10:00Z', '2026-03-10 10:00Z');
INSERT INTO commit_statuses (target, repo, sha, context, name, wanted_state, wanted_description, version_number, version_at,
    version_tie, outbox_id, state, message_at)
VALUES ('ghe2', 'acme/app', 'c', 'ci', 'ci', 'success', '', 1, '2026-03-10 10:00Z', '', 1, 'outdated', '2026-03-10 10:00Z');
INSERT INTO check_runs (target, repo, sha, external_id, run_id, completed) VALUES ('checks', 'acme/app', 'c', 'job/1', 7, true);
