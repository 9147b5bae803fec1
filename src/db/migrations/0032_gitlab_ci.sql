-- Pipelines, jobs and deployments of GitLab, from its webhooks and from answers of its API (src/sources/gitlab/ci). Ids are unique on one host.
-- No value of a variable is kept.

-- project: current path of the project, as in the other tables of GitLab; host:number while another project has its path. ref: the branch or
-- the tag; of a merge request its source branch. mr_*: the merge request that it runs for, with the number of its project. merges: whether
-- its commit merges that one for a try. parent_*: the
-- pipeline that started it. newest_job, version_at, job_ranks, rank, content: the version, from the content (record.rs); of messages with the
-- same content the earliest counts. ever_bad: whether any message said that it failed. deleted_at, asked_at: when reconcile found it deleted, and asked about it last.
CREATE TABLE gitlab_pipelines (
    host text COLLATE "C" NOT NULL,
    id bigint NOT NULL,
    iid bigint,
    project text COLLATE "C" NOT NULL,
    project_id bigint,
    name text,
    status text COLLATE "C" NOT NULL,
    detailed_status text,
    source text COLLATE "C" NOT NULL,
    ref text COLLATE "C",
    tag boolean NOT NULL,
    sha text COLLATE "C",
    title text,
    stages text[] NOT NULL,
    url text,
    mr_iid bigint,
    mr_project_id bigint,
    mr_source_branch text COLLATE "C",
    mr_target_branch text COLLATE "C",
    merges boolean NOT NULL,
    parent_project text COLLATE "C",
    parent_id bigint,
    username text,
    created_at timestamptz,
    finished_at timestamptz,
    newest_job bigint NOT NULL,
    version_at timestamptz NOT NULL,
    job_ranks bigint NOT NULL,
    rank smallint NOT NULL,
    content bigint NOT NULL,
    ever_bad boolean NOT NULL,
    deleted_at timestamptz,
    asked_at timestamptz,
    message_id text COLLATE "C" NOT NULL,
    message_at timestamptz,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (host, id)
) WITH (fillfactor = 85);
CREATE INDEX gitlab_pipelines_ref ON gitlab_pipelines (host, project_id, ref, source, id);
CREATE INDEX gitlab_pipelines_parent ON gitlab_pipelines (host, parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX gitlab_pipelines_mr ON gitlab_pipelines (project, mr_iid) WHERE mr_iid IS NOT NULL;
CREATE INDEX gitlab_pipelines_sha ON gitlab_pipelines (sha);
CREATE INDEX gitlab_pipelines_project ON gitlab_pipelines (project, version_at, host, id);
CREATE INDEX gitlab_pipelines_recent ON gitlab_pipelines (version_at, host, id);
CREATE INDEX gitlab_pipelines_open ON gitlab_pipelines (project, asked_at) WHERE status NOT IN ('success', 'failed', 'canceled', 'skipped')
    AND deleted_at IS NULL;

-- The statuses that messages of one version give a job, each with the earliest message that does: time in microseconds (`-` without one) and id.
-- Two sets as one; of no more than 64 statuses.
CREATE FUNCTION united_statuses(known jsonb, more jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT coalesce(jsonb_object_agg(e.status, e.message), '{}') FROM (
    SELECT u.status, min(u.message COLLATE "C") AS message
    FROM (SELECT * FROM jsonb_each_text(known) UNION ALL SELECT * FROM jsonb_each_text(more)) AS u (status, message)
    GROUP BY u.status ORDER BY u.status COLLATE "C" LIMIT 64
) AS e
$$;

-- The status that a message gave last, by its earliest message.
CREATE FUNCTION last_status(said jsonb, OUT status text, OUT message_id text, OUT message_at timestamptz)
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT e.status, substr(e.message, strpos(e.message, ' ') + 1),
    timestamptz '1970-01-01T00:00:00Z' + nullif(split_part(e.message, ' ', 1), '-')::bigint * interval '1 microsecond'
FROM jsonb_each_text(said) AS e (status, message)
ORDER BY e.message COLLATE "C" DESC, e.status COLLATE "C" DESC
LIMIT 1
$$;

-- said: the statuses that messages of this version give it; content decides between their other members. check_name: name of its check, which jobs that one job of the configuration was split into have in common. merge_ref: the kind of ref of a
-- merge request that it runs on (head, merge, train), which only job hooks have.
CREATE TABLE gitlab_jobs (
    host text COLLATE "C" NOT NULL,
    id bigint NOT NULL,
    pipeline_id bigint NOT NULL,
    project text COLLATE "C" NOT NULL,
    project_id bigint,
    stage text,
    name text NOT NULL,
    check_name text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    allow_failure boolean NOT NULL,
    failure_reason text,
    ref text COLLATE "C",
    merge_ref text COLLATE "C",
    tag boolean NOT NULL,
    sha text COLLATE "C",
    environment text,
    url text,
    username text,
    created_at timestamptz,
    started_at timestamptz,
    finished_at timestamptz,
    version_at timestamptz NOT NULL,
    rank smallint NOT NULL,
    content bigint NOT NULL,
    said jsonb NOT NULL,
    ever_bad boolean NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    message_at timestamptz,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (host, id)
) WITH (fillfactor = 85);
CREATE INDEX gitlab_jobs_pipeline ON gitlab_jobs (host, pipeline_id, check_name COLLATE "C");

-- id: number of the deployment; `job PROJECT/JOB` of an old GitLab, which has none. changed_at: since when it has its status.
CREATE TABLE gitlab_deployments (
    host text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    project text COLLATE "C" NOT NULL,
    project_id bigint,
    environment text COLLATE "C" NOT NULL,
    tier text COLLATE "C",
    environment_url text,
    status text COLLATE "C" NOT NULL,
    job_id bigint,
    job_url text,
    ref text COLLATE "C",
    sha text COLLATE "C",
    title text,
    commit_url text,
    username text,
    changed_at timestamptz,
    version_at timestamptz NOT NULL,
    rank smallint NOT NULL,
    content bigint NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    message_at timestamptz,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (host, id)
);
CREATE INDEX gitlab_deployments_environment ON gitlab_deployments (project, environment, version_at, id);
CREATE INDEX gitlab_deployments_sha ON gitlab_deployments (sha);

-- Deployments to production: by their tier, and where GitLab sends none, by the name of the environment.
CREATE INDEX gitlab_deployments_production ON gitlab_deployments (coalesce(changed_at, message_at))
    WHERE status IN ('success', 'failed') AND coalesce(tier, environment) IN ('production', 'prod', 'live');
CREATE INDEX gitlab_deployments_in_production ON gitlab_deployments (project)
    WHERE status IN ('success', 'failed') AND coalesce(tier, environment) IN ('production', 'prod', 'live');

CREATE VIEW dora_gitlab AS
SELECT 'gitlab'::text AS system, d.project COLLATE "default" AS project, d.host || '/' || d.id AS id, d.sha,
    coalesce(d.changed_at, d.message_at) AS at,
    d.status = 'success' AS succeeded
FROM gitlab_deployments AS d
WHERE d.status IN ('success', 'failed') AND coalesce(d.tier, d.environment) IN ('production', 'prod', 'live')
    AND coalesce(d.changed_at, d.message_at) IS NOT NULL;

-- A build of main counts as a deployment only where the project has no real ones.
CREATE OR REPLACE VIEW dora_buildkite AS
SELECT 'buildkite'::text AS system, coalesce(b.repo_path, b.pipeline) AS project, b.id, b.commit AS sha, b.event_at AS at,
    b.state = 'passed' AS succeeded
FROM buildkite_builds AS b
WHERE b.state IN ('passed', 'failed') AND b.branch IN ('main', 'master') AND NOT EXISTS (
    SELECT FROM gitlab_deployments AS d
    WHERE d.project = b.repo_path AND d.status IN ('success', 'failed') AND coalesce(d.tier, d.environment) IN ('production', 'prod', 'live')
);

CREATE OR REPLACE VIEW dora_travis AS
SELECT 'travis'::text AS system, coalesce(r.owner_name || '/' || r.name, b.repository_id::text) AS project, b.id::text AS id,
    b.commit ->> 'sha' AS sha, b.finished_at AS at, b.state = 'passed' AS succeeded
FROM travis_builds AS b LEFT JOIN travis_repositories AS r ON r.id = b.repository_id
WHERE b.finished_at IS NOT NULL AND b.state IN ('passed', 'failed', 'errored') AND b.branch IN ('main', 'master')
    AND b.event_type IS DISTINCT FROM 'pull_request' AND NOT EXISTS (
    SELECT FROM gitlab_deployments AS d
    WHERE d.project = r.owner_name || '/' || r.name AND d.status IN ('success', 'failed')
        AND coalesce(d.tier, d.environment) IN ('production', 'prod', 'live')
);

CREATE OR REPLACE VIEW dora_deployments AS
SELECT * FROM dora_konflux
UNION ALL SELECT * FROM dora_buildkite
UNION ALL SELECT * FROM dora_travis
UNION ALL SELECT * FROM dora_gitlab;
