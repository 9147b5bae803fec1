INSERT INTO checks (system, kind, key, stage, name, host, repo, sha, branch, lane, run, attempt, attempt_is_whole, seq,
    state, original, warn, optional, created_at, changed_at)
VALUES ('buildkite', 'buildkite_builds', 'b', 'build', 'app', 'ghe.acme.example', 'acme/app', repeat('a', 40), 'main',
    'push', 'b', 1, false, 1, 'passed', 'passed', false, false, now(), now());
INSERT INTO repositories (host, repo, default_branch, said_at) VALUES ('gitlab.com', 'acme/app', 'main', now());
INSERT INTO verdict_rules (revision, document) VALUES (1, 'rule = []');
UPDATE buildkite_builds SET ever_bad = true WHERE id = (SELECT min(id) FROM buildkite_builds);
UPDATE travis_builds SET ever_bad = true WHERE id = (SELECT min(id) FROM travis_builds);
UPDATE pipelineruns SET ever_bad = true WHERE name = (SELECT min(name) FROM pipelineruns);
