INSERT INTO commit_places (repo, branch, sha, pushed_at) VALUES ('acme/app', 'main', repeat('a', 40), now());
INSERT INTO branch_deletions (repo, branch, before_sha, deleted_at)
VALUES ('acme/app', 'topic', repeat('a', 40), now());
INSERT INTO series (id, system, host, repo, branch, lane, name)
VALUES ('00000000-0000-0000-0000-000000000001', 'buildkite', 'ghe.acme.example', 'acme/app', 'main', 'push', 'app');
INSERT INTO series_results (series, point, place, kind, key, state, outcome, optional, flaky, at)
VALUES ('00000000-0000-0000-0000-000000000001', repeat('a', 40), now(), 'buildkite_builds', 'b', 'failed', 'bad', false,
    false, now());
INSERT INTO check_transitions (series, point, place, system, kind, key, transition, flaky, at)
VALUES ('00000000-0000-0000-0000-000000000001', repeat('a', 40), now(), 'buildkite', 'buildkite_builds', 'b', 'broken',
    false, now());
