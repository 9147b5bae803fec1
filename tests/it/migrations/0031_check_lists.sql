-- It makes indexes only.
INSERT INTO checks (system, kind, key, stage, name, host, repo, sha, branch, lane, run, attempt, attempt_is_whole, seq,
    state, original, warn, optional, created_at, changed_at, stuck_since)
VALUES ('buildkite', 'buildkite_builds', 's', 'build', 'app', 'ghe.acme.example', 'acme/app', repeat('a', 40), 'main',
    'push', 's', 1, false, 1, 'running', 'started', false, false, now(), now(), now());
