INSERT INTO buildkite_builds (id, number, state, branch, pipeline, pipeline_id, organization, event_at, message_id)
VALUES ('waiting', 9, 'scheduled', 'main', 'app', 'p', 'acme', '2026-03-10T10:00:00Z', 'm9');
