-- Tables of the family travis: builds, their stages and jobs, and what is to be started.
--
-- Rows come into being with `build:create` and are moved by src/travis/rules. Who changes anything of a build holds the
-- lock on its row in travis_builds. message_id and message_at name the message that gave a row its state; updated_at is
-- when it was stored, which the sweep for stale jobs goes by (the one column that depends on the time of arrival).

CREATE TABLE travis_repositories (
    id bigint PRIMARY KEY,
    owner_name text,
    name text,
    private boolean,
    last_build_id bigint,
    last_build_number text,
    last_build_state text,
    last_build_duration integer,
    last_build_started_at timestamptz,
    last_build_finished_at timestamptz,
    current_build_id bigint,
    message_id text COLLATE "C" NOT NULL,
    message_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX travis_repositories_slug ON travis_repositories (owner_name, name);

CREATE TABLE travis_builds (
    id bigint PRIMARY KEY,
    repository_id bigint NOT NULL,
    number text,
    state text CHECK (state IN ('created', 'queued', 'received', 'started', 'passed', 'failed', 'errored', 'canceled')),
    previous_state text,
    event_type text,
    branch text,
    commit jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(commit) = 'object'),
    pull_request jsonb CHECK (jsonb_typeof(pull_request) = 'object'),
    notifications jsonb,
    fast_finish boolean NOT NULL DEFAULT false,
    config_error boolean NOT NULL DEFAULT false,
    duration integer CHECK (duration >= 0),
    created_at timestamptz,
    received_at timestamptz,
    started_at timestamptz,
    finished_at timestamptz,
    canceled_at timestamptz,
    restarted_at timestamptz,
    -- When the present run began, by the restart or reset of any of its jobs.
    run_at timestamptz,
    message_id text COLLATE "C" NOT NULL,
    message_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX travis_builds_repository ON travis_builds (repository_id, id);
CREATE INDEX travis_builds_branch ON travis_builds (repository_id, branch, id);

CREATE TABLE travis_stages (
    id bigint PRIMARY KEY,
    build_id bigint NOT NULL,
    number integer,
    name text,
    state text CHECK (state IN ('created', 'queued', 'received', 'started', 'passed', 'failed', 'errored', 'canceled')),
    started_at timestamptz,
    finished_at timestamptz,
    message_id text COLLATE "C" NOT NULL,
    message_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX travis_stages_build ON travis_stages (build_id);

CREATE TABLE travis_jobs (
    id bigint PRIMARY KEY,
    build_id bigint NOT NULL,
    repository_id bigint NOT NULL,
    stage_id bigint,
    stage_number text,
    number text,
    state text CHECK (state IN ('created', 'queued', 'received', 'started', 'passed', 'failed', 'errored', 'canceled')),
    allow_failure boolean NOT NULL DEFAULT false,
    queue text,
    priority integer,
    worker text,
    vm_size text,
    created_at timestamptz,
    queued_at timestamptz,
    received_at timestamptz,
    started_at timestamptz,
    finished_at timestamptz,
    canceled_at timestamptz,
    restarted_at timestamptz,
    restarted_by bigint,
    -- Runs: the first is attempt 1, a restart begins the next one; run_* name the message that began the present run.
    attempt integer NOT NULL DEFAULT 1 CHECK (attempt >= 1),
    run_at timestamptz,
    run_message_id text COLLATE "C",
    run_uuid text COLLATE "C",
    run_count bigint,
    previous_uuid text COLLATE "C",
    reset_count integer NOT NULL DEFAULT 0 CHECK (reset_count >= 0),
    first_reset_at timestamptz,
    last_reset_at timestamptz,
    message_id text COLLATE "C" NOT NULL,
    message_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT travis_jobs_received_after_queued CHECK (received_at >= queued_at)
);
CREATE INDEX travis_jobs_build ON travis_jobs (build_id, id);
CREATE INDEX travis_jobs_unfinished ON travis_jobs (updated_at) WHERE state IN ('queued', 'received', 'started');

CREATE TABLE travis_job_versions (
    job_id bigint NOT NULL,
    number integer NOT NULL,
    state text,
    created_at timestamptz,
    queued_at timestamptz,
    received_at timestamptz,
    started_at timestamptz,
    finished_at timestamptz,
    restarted_at timestamptz,
    message_id text COLLATE "C" NOT NULL,
    message_at timestamptz NOT NULL,
    PRIMARY KEY (job_id, number)
);

-- Jobs that wait to be started, those of later stages included.
CREATE TABLE travis_queueable_jobs (
    job_id bigint PRIMARY KEY,
    build_id bigint NOT NULL
);
CREATE INDEX travis_queueable_jobs_build ON travis_queueable_jobs (build_id, job_id);

-- Messages that came before the `build:create` of what they are about.
CREATE TABLE travis_pending (
    object text NOT NULL CHECK (object IN ('job', 'build')),
    object_id bigint NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    message_at timestamptz NOT NULL,
    event text NOT NULL,
    told jsonb NOT NULL CHECK (jsonb_typeof(told) = 'object'),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (object, object_id, message_id)
);
