INSERT INTO delivery_targets (name, failures, trips, open_until, reason) VALUES
    ('ghe', 5, 1, '2026-03-10T10:00:00Z', '503 Service Unavailable'), ('broadcast', 0, 0, NULL, NULL);
INSERT INTO commit_statuses (
    target, repo, sha, context, name, wanted_state, wanted_description, wanted_url, version_number, version_at, version_tie,
    outbox_id, delivered_state, delivered_description, state
) VALUES
    ('ghe', 'acme/app', '5a741616cdf07dc87c5adafe784321eeeb639e33', 'buildkite/my-pipeline', 'buildkite/My-Pipeline', 'success',
     'Build #7 passed (3 minutes, 2 seconds)', 'https://buildkite.com/my-org/my-pipeline/builds/7', 7, '2024-08-19T07:03:03Z',
     'x', 1, 'pending', 'Build #7 started', 'pending');
INSERT INTO deliveries (outbox_id, target, created_at, family, key, state, reason)
SELECT id, 'broadcast', created_at, family, key, 'dead', 'too large' FROM outbox WHERE family = 'kcidb';
