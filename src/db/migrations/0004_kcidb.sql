-- Submissions of KCIDB. Columns are the members of schema 5.3, objects inside of objects flattened.
--
-- Keys and references are COLLATE "C": PostgreSQL must compare them byte by byte, as the reduction of a batch does
-- before it gets here. There are no foreign keys: most tests come before their build, and many without any.
--
-- Version of a row: for each column the newest message that had a value counts, by (message_at, message_id). Those two
-- are of the newest message that told of the object; `older` holds those of columns whose value is of an older one, as
-- [[message_at, message_id, [column, ..]], ..] (src/kcidb/rules.rs). received_at is when the row was last written.

-- Source code that was checked out. mail_message_id is the member message_id of the submission: the e-mail that
-- brought the code.
CREATE TABLE kcidb_checkouts (
    id text COLLATE "C" PRIMARY KEY,
    origin text NOT NULL,
    tree_name text,
    git_repository_url text,
    git_commit_hash text,
    git_commit_name text,
    git_commit_tags jsonb,
    git_commit_message text,
    git_repository_branch text,
    git_repository_branch_tip boolean,
    patchset_files jsonb,
    patchset_hash text,
    mail_message_id text,
    comment text,
    start_time timestamptz,
    origin_builds_finish_time timestamptz,
    origin_tests_finish_time timestamptz,
    log_url text,
    log_excerpt_sha256 bytea,
    valid boolean,
    misc jsonb,
    message_id text COLLATE "C" NOT NULL,
    message_at timestamptz,
    older jsonb,
    received_at timestamptz NOT NULL DEFAULT now()
);

-- Builds of checkouts; the checkout may come later, or never.
CREATE TABLE kcidb_builds (
    id text COLLATE "C" PRIMARY KEY,
    checkout_id text COLLATE "C" NOT NULL,
    origin text NOT NULL,
    comment text,
    start_time timestamptz,
    duration double precision,
    architecture text,
    command text,
    compiler text,
    input_files jsonb,
    output_files jsonb,
    config_name text,
    config_url text,
    log_url text,
    log_excerpt_sha256 bytea,
    status text CHECK (status IN ('FAIL', 'ERROR', 'MISS', 'PASS', 'DONE', 'SKIP')),
    misc jsonb,
    message_id text COLLATE "C" NOT NULL,
    message_at timestamptz,
    older jsonb,
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX kcidb_builds_checkout ON kcidb_builds (checkout_id);
CREATE INDEX kcidb_builds_failed ON kcidb_builds (id) WHERE status IN ('FAIL', 'ERROR');

-- Runs of tests on builds; the build may come later, or never.
CREATE TABLE kcidb_tests (
    id text COLLATE "C" PRIMARY KEY,
    build_id text COLLATE "C" NOT NULL,
    origin text NOT NULL,
    environment_comment text,
    environment_compatible jsonb,
    environment_misc jsonb,
    path text,
    comment text,
    log_url text,
    log_excerpt_sha256 bytea,
    status text CHECK (status IN ('FAIL', 'ERROR', 'MISS', 'PASS', 'DONE', 'SKIP')),
    number_value double precision,
    number_unit text,
    number_prefix text CHECK (number_prefix IN ('metric', 'binary')),
    start_time timestamptz,
    duration double precision,
    input_files jsonb,
    output_files jsonb,
    misc jsonb,
    message_id text COLLATE "C" NOT NULL,
    message_at timestamptz,
    older jsonb,
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX kcidb_tests_build ON kcidb_tests (build_id, status);
CREATE INDEX kcidb_tests_failed ON kcidb_tests (id) WHERE status IN ('FAIL', 'ERROR');

-- Known problems, a row for each version; the highest counts.
CREATE TABLE kcidb_issues (
    id text COLLATE "C" NOT NULL,
    version bigint NOT NULL CHECK (version >= 0),
    origin text NOT NULL,
    categories jsonb,
    report_url text,
    report_subject text,
    culprit_code boolean,
    culprit_tool boolean,
    culprit_harness boolean,
    comment text,
    misc jsonb,
    message_id text COLLATE "C" NOT NULL,
    message_at timestamptz,
    older jsonb,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (id, version)
);

-- That an issue was seen in a build or test (present), was not (not present), or is looked for (null).
CREATE TABLE kcidb_incidents (
    id text COLLATE "C" PRIMARY KEY,
    origin text NOT NULL,
    issue_id text COLLATE "C" NOT NULL,
    issue_version bigint NOT NULL,
    build_id text COLLATE "C",
    test_id text COLLATE "C",
    present boolean,
    comment text,
    misc jsonb,
    message_id text COLLATE "C" NOT NULL,
    message_at timestamptz,
    older jsonb,
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX kcidb_incidents_test ON kcidb_incidents (test_id) WHERE test_id IS NOT NULL;
CREATE INDEX kcidb_incidents_build ON kcidb_incidents (build_id) WHERE build_id IS NOT NULL;
CREATE INDEX kcidb_incidents_issue ON kcidb_incidents (issue_id, issue_version);

-- Texts of logs, each once: on real data one byte in twenty is new. Not compressed by PostgreSQL's own algorithm, which
-- is slower than all else that is done with them.
CREATE TABLE kcidb_log_excerpts (
    sha256 bytea PRIMARY KEY CHECK (length(sha256) = 32),
    text text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE kcidb_log_excerpts ALTER COLUMN text SET STORAGE EXTERNAL;

-- What has been announced of checkouts, each once for ever. overdue: not because it was, but because nothing more came.
CREATE TABLE kcidb_milestones (
    checkout_id text COLLATE "C" NOT NULL,
    milestone text COLLATE "C" NOT NULL
        CHECK (milestone IN ('build_setups_finished', 'tests_finished', 'ready_to_report')),
    overdue boolean NOT NULL,
    reached_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (checkout_id, milestone)
);

-- In which checkouts incidents are present, as it was last announced. Follows from the other tables.
CREATE TABLE kcidb_occurrences (
    incident_id text COLLATE "C" NOT NULL,
    checkout_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (incident_id, checkout_id)
);
CREATE INDEX kcidb_occurrences_checkout ON kcidb_occurrences (checkout_id);

-- How far checkouts are; what follows from it is decided in src/kcidb/rules.rs. Numbers are of builds.
CREATE VIEW kcidb_progress AS
SELECT
    c.id,
    c.origin_builds_finish_time IS NOT NULL AS builds_finish_time,
    c.origin_tests_finish_time IS NOT NULL AS tests_finish_time,
    s.builds, s.builds_running, s.builds_unplanned, s.tests_running, s.untriaged
FROM kcidb_checkouts AS c
CROSS JOIN LATERAL (
    SELECT
        count(*) AS builds,
        count(*) FILTER (WHERE b.status IS NULL AND NOT t.tested) AS builds_running,
        count(*) FILTER (WHERE b.status = 'PASS' AND NOT t.planned) AS builds_unplanned,
        count(*) FILTER (WHERE t.running) AS tests_running,
        count(*) FILTER (WHERE t.untriaged OR (
            b.status IN ('FAIL', 'ERROR')
            AND b.misc #>> '{actions,last_triaged_at}' IS NULL
            AND NOT EXISTS (SELECT FROM kcidb_incidents AS n WHERE n.build_id = b.id AND n.present IS NOT NULL)
        )) AS untriaged
    FROM kcidb_builds AS b
    CROSS JOIN LATERAL (
        SELECT
            EXISTS (SELECT FROM kcidb_tests AS t WHERE t.build_id = b.id) AS planned,
            EXISTS (SELECT FROM kcidb_tests AS t WHERE t.build_id = b.id AND t.status IS NOT NULL) AS tested,
            EXISTS (SELECT FROM kcidb_tests AS t WHERE t.build_id = b.id AND t.status IS NULL) AS running,
            EXISTS (
                SELECT FROM kcidb_tests AS t
                WHERE t.build_id = b.id AND t.status IN ('FAIL', 'ERROR')
                    AND t.misc #>> '{actions,last_triaged_at}' IS NULL
                    AND NOT EXISTS (SELECT FROM kcidb_incidents AS n WHERE n.test_id = t.id AND n.present IS NOT NULL)
            ) AS untriaged
    ) AS t
    WHERE b.checkout_id = c.id
) AS s;

-- Regular expressions by which issues are found in what failed; a filter that is null lets everything through.
CREATE TABLE kcidb_issue_regexes (
    id text COLLATE "C" PRIMARY KEY,
    issue_id text COLLATE "C" NOT NULL,
    issue_version bigint,
    text_match text,
    file_name_match text,
    test_name_match text,
    testresult_name_match text,
    architecture_match text,
    kpet_tree_name_match text,
    tree_match text,
    package_name_match text,
    deleted boolean NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    message_at timestamptz,
    received_at timestamptz NOT NULL DEFAULT now()
);

-- Builds and tests that failed and in which no issue has been looked for since.
CREATE TABLE kcidb_triage_queue (
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('build', 'test')),
    id text COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, id)
);

-- How far the failures of the last two weeks have been announced again since an expression changed: one row at most.
-- stage: 0 checkouts, 1 builds, 2 tests, 3 done.
CREATE TABLE kcidb_requeue (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    requested_at timestamptz NOT NULL DEFAULT now(),
    stage smallint NOT NULL DEFAULT 0 CHECK (stage BETWEEN 0 AND 3),
    after_id text COLLATE "C" NOT NULL DEFAULT ''
);
