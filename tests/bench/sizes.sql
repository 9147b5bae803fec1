-- Generated rows in the shapes of real ones, in the numbers that are set below, with times up to now. The same sizes
-- give the same rows, except for times: each choice is a hash of the row's number.
--
--   psql -c "SET sizes.runs = 1000000" -c "SET sizes.merge_requests = 100000" -f tests/bench/sizes.sql
--
-- In proportion to these: projects, components, snapshots, releases, pushes, bots with heartbeats, rejected messages,
-- builds and jobs of Buildkite and Travis, checkouts of KCIDB, deliveries.
SET statement_timeout = 0;
SET synchronous_commit = off;
BEGIN;

-- The choice number `seed` of row `i`, among 0 .. n - 1; and as a share of 1.
CREATE FUNCTION pg_temp.pick(i bigint, seed bigint, n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE
    RETURN (hashint8extended(i, seed) & 9223372036854775807) % n;
CREATE FUNCTION pg_temp.share(i bigint, seed bigint) RETURNS double precision LANGUAGE sql IMMUTABLE
    RETURN (hashint8extended(i, seed) & 9223372036854775807) / 9223372036854775807.0::double precision;
-- A commit.
CREATE FUNCTION pg_temp.sha(kind text, i bigint) RETURNS text LANGUAGE sql IMMUTABLE RETURN md5(kind || i) || left(md5(i || kind), 8);
CREATE FUNCTION pg_temp.word(i bigint) RETURNS text LANGUAGE sql IMMUTABLE
    RETURN (ARRAY['curl', 'openssl', 'python', 'golang', 'nginx', 'rust', 'nodejs', 'postgresql', 'redis', 'glibc', 'systemd', 'bash',
        'podman', 'httpd', 'dotnet', 'ruby', 'valkey', 'haproxy', 'memcached', 'caddy'])[1 + i % 20];

CREATE TEMP TABLE n ON COMMIT DROP AS
SELECT current_setting('sizes.runs')::bigint AS runs, current_setting('sizes.merge_requests')::bigint AS mrs,
    greatest(4, current_setting('sizes.merge_requests')::bigint / 500) AS projects,
    greatest(12, current_setting('sizes.runs')::bigint / 400) AS components;

-- Projects by number; a few have most of the objects.
CREATE TEMP TABLE project ON COMMIT DROP AS
SELECT i, 'redhat/hummingbird/' || CASE WHEN i = 0 THEN 'rpms' WHEN i = 1 THEN 'containers' ELSE pg_temp.word(i) || '-' || i END AS path
FROM n, generate_series(0, n.projects - 1) AS i;
CREATE UNIQUE INDEX ON project (i);

CREATE TEMP TABLE component ON COMMIT DROP AS
SELECT c.i, pg_temp.word(c.i) || CASE WHEN c.i < 20 THEN '' ELSE '-' || c.i / 20 END || '-main' AS name,
    p.path AS project, 'app-' || pg_temp.pick(c.i, 2, greatest(2, c.components / 60)) AS application,
    CASE WHEN pg_temp.pick(c.i, 3, 10) = 0 THEN '' ELSE CASE p.i WHEN 0 THEN 'rpms/' ELSE 'images/' END || pg_temp.word(c.i) END AS folder
FROM (SELECT n.*, i, floor(power(pg_temp.share(i, 1), 3) * n.projects)::bigint AS project FROM n, generate_series(0, n.components - 1) AS i) AS c
JOIN project AS p ON p.i = c.project;
CREATE UNIQUE INDEX ON component (i);

INSERT INTO components (name, namespace, uid, resource_version, created_at, rank, tie, application, git_url, git_project, git_revision,
    git_context, git_versions, last_built_commit, deleted_at, message_id, message_at)
SELECT name, 'hummingbird-tenant', 'c' || i, i, now() - interval '2 years', CASE WHEN i % 50 = 49 THEN 2 ELSE 1 END, 0, application,
    'https://gitlab.com/' || project, project, 'main', folder, '[]', pg_temp.sha('push', i),
    CASE WHEN i % 50 = 49 THEN now() - interval '30 days' END, 'sizes-c' || i, now() - interval '2 days'
FROM component;

-- Merge requests; newer ones are more often open.
CREATE TEMP TABLE mr ON COMMIT DROP AS
SELECT m.i, p.path AS project, row_number() OVER (PARTITION BY p.i ORDER BY m.i) AS iid,
    now() - power(1 - m.i::double precision / m.mrs, 1.5) * interval '700 days' - interval '5 minutes' AS created_at,
    1 + pg_temp.pick(m.i, 12, 4) AS versions, pg_temp.share(m.i, 13) AS fate
FROM (SELECT n.*, i, floor(power(pg_temp.share(i, 11), 3) * n.projects)::bigint AS project FROM n, generate_series(1, n.mrs) AS i) AS m
JOIN project AS p ON p.i = m.project;
CREATE UNIQUE INDEX ON mr (i);
ALTER TABLE mr ADD COLUMN changed_at timestamptz, ADD COLUMN state text;
UPDATE mr SET changed_at = least(now() - interval '1 minute', created_at + power(fate, 4) * interval '40 days' + interval '5 minutes'),
    state = CASE WHEN created_at > now() - interval '6 days' AND fate < 0.6 OR fate > 0.985 THEN 'opened' WHEN fate < 0.08 THEN 'closed'
        WHEN i % 9973 = 7 THEN 'locked' ELSE 'merged' END;

INSERT INTO gitlab_merge_requests (project, iid, project_id, state, state_rank, title, draft, source_branch, target_branch, labels, url,
    last_action, last_actor, created_at, updated_at, version_at, source, message_id, message_at, sha, head_version_at, head_message_at,
    head_message_id, author, author_version_at, author_message_at, author_message_id, merged_at)
SELECT project, iid, 1000 + pg_temp.pick(i, 11, 1000), state, CASE state WHEN 'merged' THEN 3 WHEN 'closed' THEN 2 WHEN 'locked' THEN 1 ELSE 0 END,
    (ARRAY['Update ', 'Rebuild ', 'Fix tests of ', 'Bump ', 'Drop patches of ', 'Enable hardening in '])[1 + pg_temp.pick(i, 14, 6)]
        || pg_temp.word(pg_temp.pick(i, 15, 20)) || ' to ' || 1 + i % 9 || '.' || i % 31 || '.' || i % 7,
    state = 'opened' AND i % 7 = 0, 'topic-' || i, 'main', CASE WHEN i % 5 = 0 THEN ARRAY['automated'] ELSE '{}' END,
    'https://gitlab.com/' || project || '/-/merge_requests/' || iid, CASE state WHEN 'merged' THEN 'merge' ELSE 'update' END, 'user-' || i % 97,
    created_at, changed_at, date_trunc('second', changed_at), 'webhook', 'sizes-m' || i, changed_at,
    pg_temp.sha('mr' || versions, i), changed_at, changed_at, 'sizes-m' || i,
    CASE WHEN i % 3 = 0 THEN 'renovate-bot' ELSE 'user-' || pg_temp.pick(i, 16, 300) END, changed_at, changed_at, 'sizes-m' || i,
    CASE state WHEN 'merged' THEN changed_at END
FROM mr;

INSERT INTO gitlab_mr_versions (project, iid, sha, head_at, head_message_at, head_message_id, seen_at, seen_message_at, seen_message_id)
SELECT project, iid, pg_temp.sha('mr' || v, i), t.at, t.at, 'sizes-m' || i, t.at, t.at, 'sizes-m' || i
FROM mr, generate_series(1, mr.versions) AS v, LATERAL (SELECT created_at + (v - 1) * (changed_at - created_at) / mr.versions AS at) AS t;

-- Pushes to main: three for each four merge requests.
CREATE TEMP TABLE push ON COMMIT DROP AS
SELECT (i * 3) / 4 AS i, i AS mr, project, changed_at AS at FROM mr WHERE i % 4 > 0;
CREATE UNIQUE INDEX ON push (i);
INSERT INTO gitlab_pushes (sha, repo, ref, project_id, default_branch, before_sha, pushed_at, committed_at, title, author, pushed_by, url,
    commit_count, changed_files, files_complete, message_id, message_at)
SELECT pg_temp.sha('push', i), project, 'main', 1, 'main', pg_temp.sha('push', i - 1), at, at - interval '1 minute',
    'Merge branch ''topic-' || mr || ''' into ''main''', 'User ' || mr % 97, 'user-' || mr % 97,
    'https://gitlab.com/' || project || '/-/commit/' || pg_temp.sha('push', i), 1 + i % 3,
    ARRAY(SELECT CASE WHEN project LIKE '%/rpms' THEN 'rpms/' ELSE 'images/' END || pg_temp.word(pg_temp.pick(i, f, 20)) || '/file-' || f
        FROM generate_series(1, 1 + i % 6) AS f),
    true, 'sizes-p' || i, at
FROM push;

-- Runs: of ten four builds, four tests, one release, one other; three in four of a merge request. Built of the newest
-- things at that time; the last ones still run, some since long.
CREATE TEMP TABLE run ON COMMIT DROP AS
SELECT i, CASE WHEN i % 10 < 4 THEN 'build' WHEN i % 10 < 8 THEN 'test' WHEN i % 10 = 8 THEN 'release' ELSE 'other' END AS type,
    i % 4 > 0 AS for_mr, n.runs - i AS age,
    now() - power(1 - (i - 0.5) / n.runs, 1.5) * interval '700 days' AS at, pg_temp.share(i, 21) AS fate,
    pg_temp.pick(i, 22, n.components) AS component, pg_temp.pick(i, 23, 3) AS scenario,
    greatest(1, ceil(i::double precision / n.runs * n.mrs)::bigint - pg_temp.pick(i, 25, 20)) AS mr,
    greatest(1, (ceil(i::double precision / n.runs * n.mrs) * 3 / 4)::bigint - pg_temp.pick(i, 26, 10)) AS push
FROM n, generate_series(1, n.runs) AS i;
INSERT INTO pipelineruns (name, namespace, uid, resource_version, created_at, rank, tie, type, application, component, sha, project, mr_iid, event,
    target_branch, snapshot, scenario, release_name, state, status, reason, message, verdict, started_at, finished_at, image_digest, log_url,
    results, labels, message_id, message_at)
SELECT c.name || '-' || r.type || '-' || r.i, 'hummingbird-tenant', 'r' || r.i, r.i, r.at, CASE WHEN s.open THEN 0 ELSE 1 END, 0, r.type,
    c.application, c.name, CASE WHEN r.for_mr THEN pg_temp.sha('mr' || greatest(1, m.versions - pg_temp.pick(r.i, 27, 3)), m.i) ELSE pg_temp.sha('push', p.i) END,
    CASE WHEN r.for_mr THEN m.project ELSE p.project END, CASE WHEN r.for_mr THEN m.iid END,
    CASE WHEN r.for_mr THEN 'pull_request' ELSE 'push' END, 'main', CASE WHEN r.type IN ('test', 'release') THEN 'snapshot-' || r.i / 10 END,
    CASE r.type WHEN 'test' THEN (ARRAY['enterprise-contract', 'smoke', 'fips'])[1 + r.scenario] END,
    CASE r.type WHEN 'release' THEN 'release-' || r.i / 10 END, s.state, NULL, initcap(s.state),
    CASE s.state WHEN 'failed' THEN (ARRAY['task build-container failed: exit code 1', 'task rpmbuild failed: 3 tests of 214',
        'task sast-snyk-check failed: timeout', 'task push failed: registry said 503'])[1 + pg_temp.pick(r.i, 24, 4)]
        WHEN 'running' THEN 'Tasks Completed: 3 (Failed: 0, Cancelled 0), Incomplete: 9, Skipped: 0' ELSE 'Tasks Completed: 12' END,
    CASE WHEN r.type = 'test' AND NOT s.open THEN CASE WHEN r.fate < 0.9 THEN 'passed' WHEN r.fate < 0.93 THEN 'warning' ELSE 'failed' END END,
    r.at + interval '20 seconds', CASE WHEN NOT s.open THEN least(now(), r.at + interval '3 minutes' + r.fate * interval '50 minutes') END,
    CASE r.type WHEN 'build' THEN 'sha256:' || md5(r.i::text) || md5(c.name) END, 'https://konflux.example/ns/run/' || r.i,
    '{}', '{}', 'sizes-r' || r.i, r.at
FROM run AS r
CROSS JOIN LATERAL (SELECT r.age < 40 OR r.i % 19997 = 3 AS open) AS o
CROSS JOIN LATERAL (SELECT o.open, CASE WHEN o.open THEN CASE r.i % 3 WHEN 0 THEN 'pending' ELSE 'running' END WHEN r.fate < 0.9 THEN 'succeeded'
    WHEN r.fate < 0.97 THEN 'failed' WHEN r.fate < 0.98 THEN 'timed_out' ELSE 'cancelled' END AS state) AS s
JOIN component AS c ON c.i = r.component
LEFT JOIN mr AS m ON m.i = r.mr
LEFT JOIN push AS p ON p.i = r.push;

-- A snapshot for each ten runs, half of them released.
INSERT INTO snapshots (name, namespace, uid, resource_version, created_at, rank, tie, type, application, component, component_count, sha, project,
    event, source_plr, group_members, scenarios, test_state, release_state, release_message, conditions, message_id, message_at)
SELECT 'snapshot-' || r.i / 10, 'hummingbird-tenant', 's' || r.i, r.i, r.at, 1, 0, 'component', c.application, c.name, 1, pg_temp.sha('push', p.i),
    p.project, 'push', c.name || '-build-' || r.i, '[]', '[]', CASE WHEN r.fate < 0.9 THEN 'passed' ELSE 'failed' END,
    CASE WHEN r.i % 170 = 0 THEN 'superseded' WHEN r.fate < 0.9 THEN 'released' ELSE 'not_released' END,
    CASE WHEN r.i % 170 = 0 THEN 'Released in newer Snapshot' ELSE 'Snapshot is released' END, '[]', 'sizes-s' || r.i, r.at
FROM run AS r JOIN component AS c ON c.i = r.component
LEFT JOIN push AS p ON p.i = r.push
WHERE r.i % 10 = 0;
INSERT INTO releases (name, namespace, uid, resource_version, created_at, rank, tie, application, component, snapshot, release_plan, target, sha,
    project, automated, author, state, reason, message, failed_phase, attempt_count, attempts, failure_reason, last_task, started_at,
    finished_at, conditions, message_id, message_at)
SELECT 'release-' || r.i / 10, 'hummingbird-tenant', 'l' || r.i, r.i, r.at, CASE WHEN s.state IN ('pending', 'running') THEN 0 ELSE 1 END, 0,
    c.application, c.name, 'snapshot-' || r.i / 10, c.application || '-' || CASE WHEN r.i % 3 = 0 THEN 'stage' ELSE 'prod' END, 'rhtap-releng-tenant',
    pg_temp.sha('push', p.i), p.project, true, 'user-' || r.i % 97, s.state, initcap(s.state), CASE s.state WHEN 'failed' THEN 'Release processing failed on managed pipelineRun' END,
    CASE s.state WHEN 'failed' THEN 'managed' END, 1 + r.i % 2, '[]',
    CASE s.state WHEN 'failed' THEN (ARRAY['TaskRunTimeout', 'PipelineRunFailed', 'ImagePullBackOff'])[1 + r.scenario] END,
    CASE s.state WHEN 'failed' THEN (ARRAY['verify-enterprise-contract', 'push-snapshot', 'sign-image'])[1 + r.scenario] END,
    r.at, CASE WHEN s.state IN ('succeeded', 'failed') THEN least(now(), r.at + interval '12 minutes') END, '[]', 'sizes-l' || r.i, r.at
FROM run AS r JOIN component AS c ON c.i = r.component
CROSS JOIN LATERAL (SELECT CASE WHEN r.age < 60 THEN 'running' WHEN r.fate < 0.93 THEN 'succeeded' ELSE 'failed' END AS state) AS s
LEFT JOIN push AS p ON p.i = r.push
WHERE r.i % 10 = 8;

-- Bots: one for each 5000 runs (at least 12), a heartbeat each quarter of an hour for 30 days; some fail, some are
-- silent.
CREATE TEMP TABLE bot ON COMMIT DROP AS
SELECT i, (ARRAY['openqa-worker', 'legal-auto', 'maintenance', 'mirror-sync', 'signing', 'cve-scan'])[1 + i % 6] || '-' || i AS name,
    CASE WHEN i % 11 = 4 THEN 'failed' WHEN i % 7 = 5 THEN 'warning' ELSE 'ok' END AS status,
    now() - CASE WHEN i % 13 = 6 THEN interval '9 hours' ELSE (1 + pg_temp.pick(i, 31, 700)) * interval '1 second' END AS at
FROM n, generate_series(1, greatest(12, n.runs / 5000)) AS i;
INSERT INTO bots (name, status, comment, meta, interval_seconds, warnings, updated_at, message_id, message_at)
SELECT name, status, CASE status WHEN 'failed' THEN 'Cannot reach the build service: timeout after 30 s' WHEN 'warning' THEN 'High memory usage' ELSE 'All queues are empty' END,
    jsonb_build_object('host', 'w' || i, 'version', '4.' || i % 9), CASE WHEN i % 3 > 0 THEN 900 END, '{}', at, 'sizes-b' || i, at
FROM bot;
INSERT INTO bot_beats (name, at, message_id, status, before, comment, message_at)
SELECT name, beat, 'sizes-b' || i || '-' || k, status, lag(status) OVER (PARTITION BY name ORDER BY beat), NULL, beat
FROM (
    SELECT b.name, b.i, k, b.at - k * interval '15 minutes' AS beat,
        CASE WHEN k = 0 THEN b.status WHEN k < 3 AND b.status = 'failed' THEN 'failed' WHEN pg_temp.pick(b.i * 10000 + k / 4, 32, 60) = 0 THEN 'failed'
            WHEN pg_temp.pick(b.i * 10000 + k / 4, 33, 40) = 0 THEN 'warning' ELSE 'ok' END AS status
    FROM bot AS b, generate_series(0, 2880) AS k
) AS beats;

INSERT INTO refused (id, sent_at, family, reason, detail, attributes, body, received_at)
SELECT 'sizes-x' || i, t.at, (ARRAY['konflux', 'gitlab', 'kcidb', NULL])[1 + i % 4], (ARRAY['bad-field', 'not-json', 'unknown-kind'])[1 + i % 3],
    (ARRAY['status.completionTime: expected a time, got a string of 7', 'expected value at line 1 column 1', 'no source recognises it'])[1 + i % 3], '{}',
    convert_to('{"kind": "PipelineRun", "n": ' || i || '}', 'UTF8'), t.at
FROM n, generate_series(1, greatest(30, n.runs / 50)) AS i
CROSS JOIN LATERAL (SELECT now() - power(i::double precision / (SELECT greatest(30, runs / 50) FROM n), 2) * interval '90 days' AS at) AS t;

-- Buildkite and Travis: a build for each ten runs; jobs of Travis: five a build.
INSERT INTO buildkite_builds (id, number, state, commit, branch, title, source, repo_host, repo_path, pipeline, organization, started_at,
    finished_at, event_at, detail_type, message_id, message_at)
SELECT md5('bk' || i)::uuid::text, i, CASE WHEN r.age < 60 THEN 'started' WHEN r.fate < 0.9 THEN 'passed' WHEN r.fate < 0.97 THEN 'failed' ELSE 'canceled' END,
    pg_temp.sha('push', i), 'main', 'Merge branch topic-' || i, 'webhook', 'gitlab.com', 'redhat/hummingbird/rpms', 'rpms-' || i % 20, 'redhat', r.at,
    CASE WHEN r.age >= 60 THEN r.at + interval '9 minutes' END, r.at, 'Build Finished', 'sizes-k' || i, r.at
FROM run AS r WHERE r.i % 10 = 1;
INSERT INTO travis_repositories (id, owner_name, name, private, message_id, message_at)
SELECT i + 1, split_part(path, '/', 1), split_part(path, '/', 3), false, 'sizes-t' || i, now() FROM project;
INSERT INTO travis_builds (id, repository_id, number, state, event_type, branch, commit, duration, created_at, received_at, started_at, finished_at,
    message_id, message_at, updated_at)
SELECT r.i, 1 + floor(power(pg_temp.share(r.i, 41), 3) * n.projects), r.i::text, CASE WHEN r.age < 60 THEN 'started' WHEN r.fate < 0.9 THEN 'passed' WHEN r.fate < 0.97 THEN 'failed' ELSE 'errored' END,
    CASE WHEN r.for_mr THEN 'pull_request' ELSE 'push' END, 'main', jsonb_build_object('sha', pg_temp.sha('push', r.i)), 500, r.at, r.at, r.at,
    CASE WHEN r.age >= 60 THEN r.at + interval '9 minutes' END, 'sizes-t' || r.i, r.at, r.at
FROM run AS r, n WHERE r.i % 10 = 2;
INSERT INTO travis_jobs (id, build_id, repository_id, number, state, queue, created_at, queued_at, received_at, started_at, finished_at, message_id,
    message_at, updated_at)
SELECT b.id * 10 + j, b.id, b.repository_id, b.number || '.' || j, b.state, 'builds.linux', b.created_at, b.created_at, b.created_at, b.started_at,
    b.finished_at, b.message_id, b.message_at, b.updated_at
FROM travis_builds AS b, generate_series(1, 5) AS j WHERE b.message_id LIKE 'sizes-%';
-- One job in forty was restarted; the run before had failed.
INSERT INTO travis_job_versions (job_id, number, state, created_at, started_at, finished_at, message_id, message_at)
SELECT j.id, 1, 'failed', j.created_at, j.started_at, j.finished_at, j.message_id, j.message_at
FROM travis_jobs AS j WHERE j.message_id LIKE 'sizes-%' AND pg_temp.pick(j.id, 42, 40) = 0;
UPDATE travis_jobs AS j SET attempt = 2 FROM travis_job_versions AS v WHERE v.job_id = j.id AND v.message_id LIKE 'sizes-%';

-- KCIDB: a checkout for each thousand runs, ten builds of each, a hundred tests of each build.
INSERT INTO kcidb_checkouts (id, origin, tree_name, git_repository_url, git_commit_hash, git_repository_branch, start_time, valid, misc, message_id, message_at)
SELECT 'redhat:' || i, 'redhat', (ARRAY['mainline', 'rhel-10', 'eln'])[1 + i % 3], 'https://git.kernel.org/linux.git', pg_temp.sha('k', i), 'main',
    now() - power(1 - i::double precision / m.n, 1.5) * interval '700 days', true, '{}', 'sizes-kc' || i, now()
FROM (SELECT greatest(6, runs / 1000) AS n FROM n) AS m, generate_series(1, m.n) AS i;
INSERT INTO kcidb_builds (id, checkout_id, origin, start_time, duration, architecture, status, misc, message_id, message_at)
SELECT c.id || '-' || b, c.id, 'redhat', c.start_time, 600, (ARRAY['x86_64', 'aarch64', 's390x', 'ppc64le'])[1 + b % 4],
    CASE WHEN pg_temp.pick(hashtext(c.id)::bigint * 10 + b, 51, 25) = 0 THEN 'FAIL' ELSE 'PASS' END, '{}', c.message_id, c.message_at
FROM kcidb_checkouts AS c, generate_series(1, 10) AS b WHERE c.message_id LIKE 'sizes-%';
INSERT INTO kcidb_tests (id, build_id, origin, path, status, start_time, duration, misc, message_id, message_at)
SELECT b.id || '-' || t, b.id, 'redhat', (ARRAY['ltp.syscalls', 'boot', 'kselftest.net', 'xfstests.ext4'])[1 + t % 4],
    CASE WHEN pg_temp.pick(hashtext(b.id)::bigint * 200 + t, 52, 150) = 0 THEN 'FAIL' ELSE 'PASS' END, b.start_time, 30, '{}', b.message_id, b.message_at
FROM kcidb_builds AS b, generate_series(1, 100) AS t WHERE b.message_id LIKE 'sizes-%';

-- Deliveries: an event and a commit status for each ten runs; the newest wait, some are dead.
INSERT INTO delivery_targets (name) VALUES ('ghe'), ('gitlab'), ('hook') ON CONFLICT DO NOTHING;
UPDATE delivery_targets SET failures = 7, trips = 2, open_until = now() + interval '4 minutes', reason = '503 of https://hook.example' WHERE name = 'hook';
INSERT INTO outbox (family, event, key, attributes, payload, created_at, routed_at)
SELECT 'buildkite', 'build.finished', 'build-' || i, '{}', '{"state": "passed"}', r.at, r.at FROM run AS r WHERE r.i % 10 = 1 ORDER BY r.i;
INSERT INTO deliveries (outbox_id, target, created_at, family, key, state, delivered_at, attempts, next_attempt_at, reason)
SELECT o.id, 'hook', o.created_at, o.family, o.key, s.state, CASE s.state WHEN 'delivered' THEN o.created_at END, 1 + o.id % 3, o.created_at,
    CASE s.state WHEN 'dead' THEN '410 Gone' WHEN 'pending' THEN '503 Service Unavailable' END
FROM outbox AS o CROSS JOIN LATERAL (SELECT CASE WHEN o.id % 211 = 5 THEN 'dead' WHEN o.created_at > now() - interval '20 minutes' THEN 'pending' ELSE 'delivered' END AS state) AS s
WHERE o.key LIKE 'build-%';
INSERT INTO commit_statuses (target, repo, sha, context, name, wanted_state, wanted_description, wanted_at, version_number, version_at, version_tie,
    outbox_id, state, attempts, reason)
SELECT CASE WHEN o.id % 2 = 0 THEN 'ghe' ELSE 'gitlab' END, 'redhat/hummingbird', pg_temp.sha('push', o.id), 'ci/build', 'ci/build', 'success', 'passed', o.created_at, 1,
    o.created_at, '', o.id, CASE WHEN o.id % 307 = 5 THEN 'dead' ELSE 'delivered' END, 1, CASE WHEN o.id % 307 = 5 THEN '404: no such commit' END
FROM outbox AS o WHERE o.key LIKE 'build-%';

COMMIT;
ANALYZE;
