-- Tables of the families konflux and gitlab, and of what was refused.
--
-- Keys and columns that take part in an order are COLLATE "C": PostgreSQL must compare them byte by byte,
-- as the reduction of a batch does before it gets here.
--
-- Provenance in every row: message_id and message_at name the message that last changed it, received_at is
-- when that was stored (the one column that depends on the time of arrival).

-- konflux ---------------------------------------------------------------------------------------------------
-- Version of a row (src/konflux/record.rs): (created_at, uid, rank, resource_version, tie, message_id).

CREATE TABLE components (
    name text COLLATE "C" PRIMARY KEY,
    namespace text,
    cluster text,
    uid text COLLATE "C" NOT NULL,
    resource_version bigint NOT NULL,
    created_at timestamptz,
    rank smallint NOT NULL,
    tie bigint NOT NULL,
    application text,
    git_url text,
    git_project text,
    git_revision text,
    git_context text NOT NULL,
    git_versions jsonb NOT NULL,
    container_image text,
    last_built_commit text,
    last_promoted_image text,
    deleted_at timestamptz,
    message_id text COLLATE "C" NOT NULL,
    message_at timestamptz,
    received_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT components_rank_says_deleted CHECK ((rank = 2) = (deleted_at IS NOT NULL))
);
CREATE INDEX components_application ON components (application, name) WHERE deleted_at IS NULL;
CREATE INDEX components_git_project ON components (git_project) WHERE deleted_at IS NULL;

CREATE TABLE pipelineruns (
    name text COLLATE "C" PRIMARY KEY,
    namespace text,
    cluster text,
    uid text COLLATE "C" NOT NULL,
    resource_version bigint NOT NULL,
    created_at timestamptz,
    rank smallint NOT NULL,
    tie bigint NOT NULL,
    type text NOT NULL CHECK (type IN ('build', 'test', 'release', 'other')),
    type_label text,
    application text,
    component text,
    sha text,
    project text,
    mr_iid bigint,
    event text,
    target_branch text,
    source_branch text,
    snapshot text,
    scenario text,
    release_name text,
    release_namespace text,
    state text NOT NULL CHECK (state IN ('pending', 'running', 'succeeded', 'failed', 'cancelled', 'timed_out')),
    status text,
    reason text,
    message text,
    verdict text CHECK (verdict IN ('passed', 'warning', 'skipped', 'failed', 'error')),
    started_at timestamptz,
    finished_at timestamptz,
    image_url text,
    image_digest text,
    log_url text,
    results jsonb NOT NULL,
    labels jsonb NOT NULL,
    deleted_at timestamptz,
    message_id text COLLATE "C" NOT NULL,
    message_at timestamptz,
    received_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pipelineruns_rank_says_deleted CHECK ((rank = 2) = (deleted_at IS NOT NULL)),
    CONSTRAINT pipelineruns_rank_says_finished CHECK (rank = 2 OR (rank = 1) = (state NOT IN ('pending', 'running')))
);
CREATE INDEX pipelineruns_sha ON pipelineruns (sha, type);
CREATE INDEX pipelineruns_component ON pipelineruns (component, created_at DESC);
CREATE INDEX pipelineruns_merge_request ON pipelineruns (project, mr_iid) WHERE mr_iid IS NOT NULL;
CREATE INDEX pipelineruns_snapshot ON pipelineruns (snapshot) WHERE snapshot IS NOT NULL;
CREATE INDEX pipelineruns_release ON pipelineruns (release_name) WHERE release_name IS NOT NULL;
CREATE INDEX pipelineruns_unfinished ON pipelineruns (created_at) WHERE rank = 0;

CREATE TABLE snapshots (
    name text COLLATE "C" PRIMARY KEY,
    namespace text,
    cluster text,
    uid text COLLATE "C" NOT NULL,
    resource_version bigint NOT NULL,
    created_at timestamptz,
    rank smallint NOT NULL,
    tie bigint NOT NULL,
    type text,
    application text,
    component text,
    component_count bigint NOT NULL,
    image text,
    image_digest text,
    sha text,
    project text,
    mr_iid bigint,
    event text,
    target_branch text,
    source_plr text,
    group_members jsonb NOT NULL,
    scenarios jsonb NOT NULL,
    test_state text CHECK (test_state IN ('running', 'passed', 'failed', 'cancelled', 'error')),
    test_reason text,
    test_message text,
    release_state text CHECK (release_state IN ('released', 'superseded', 'not_released')),
    release_message text,
    conditions jsonb NOT NULL,
    deleted_at timestamptz,
    message_id text COLLATE "C" NOT NULL,
    message_at timestamptz,
    received_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT snapshots_rank_says_deleted CHECK ((rank = 2) = (deleted_at IS NOT NULL))
);
CREATE INDEX snapshots_source_plr ON snapshots (source_plr) WHERE source_plr IS NOT NULL;
CREATE INDEX snapshots_group_members ON snapshots USING gin (group_members jsonb_path_ops) WHERE group_members <> '[]';
CREATE INDEX snapshots_component ON snapshots (component, created_at DESC);
CREATE INDEX snapshots_application ON snapshots (application, created_at DESC);
CREATE INDEX snapshots_sha ON snapshots (sha);

CREATE TABLE releases (
    name text COLLATE "C" PRIMARY KEY,
    namespace text,
    cluster text,
    uid text COLLATE "C" NOT NULL,
    resource_version bigint NOT NULL,
    created_at timestamptz,
    rank smallint NOT NULL,
    tie bigint NOT NULL,
    application text,
    component text,
    snapshot text,
    release_plan text,
    target text,
    sha text,
    project text,
    mr_iid bigint,
    automated boolean,
    author text,
    state text NOT NULL CHECK (state IN ('pending', 'running', 'succeeded', 'failed')),
    reason text,
    message text,
    failed_phase text,
    release_plr text,
    release_plr_namespace text,
    attempt_count bigint NOT NULL,
    attempts jsonb NOT NULL,
    failure_reason text,
    last_task text,
    started_at timestamptz,
    finished_at timestamptz,
    expires_at timestamptz,
    conditions jsonb NOT NULL,
    deleted_at timestamptz,
    message_id text COLLATE "C" NOT NULL,
    message_at timestamptz,
    received_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT releases_rank_says_deleted CHECK ((rank = 2) = (deleted_at IS NOT NULL))
);
CREATE INDEX releases_snapshot ON releases (snapshot);
CREATE INDEX releases_plan ON releases (release_plan, created_at DESC);
CREATE INDEX releases_plr ON releases (release_plr) WHERE release_plr IS NOT NULL;
CREATE INDEX releases_not_succeeded ON releases (state, created_at DESC) WHERE state <> 'succeeded';

-- Objects whose name was taken by another one, whole. The name is the key of the tables above, but Kubernetes
-- gives a name again once it is free, and other namespaces and clusters may use it at the same time.
CREATE TABLE replaced (
    kind text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    uid text COLLATE "C" NOT NULL,
    rank smallint NOT NULL,
    resource_version bigint NOT NULL,
    tie bigint NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    "row" jsonb NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, name, uid)
);

-- Keeps the row that loses its place. A trigger, because only the statement that takes the place holds the
-- lock under which the loser is still to be seen: a SELECT before it could miss a row that came in between.
CREATE FUNCTION keep_replaced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO replaced AS r (kind, name, uid, rank, resource_version, tie, message_id, "row")
    VALUES (TG_TABLE_NAME, OLD.name, OLD.uid, OLD.rank, OLD.resource_version, OLD.tie, OLD.message_id,
            to_jsonb(OLD) - 'received_at')
    ON CONFLICT (kind, name, uid) DO UPDATE SET
        rank = excluded.rank, resource_version = excluded.resource_version, tie = excluded.tie,
        message_id = excluded.message_id, "row" = excluded."row", received_at = excluded.received_at
    WHERE (r.rank, r.resource_version, r.tie, r.message_id)
        < (excluded.rank, excluded.resource_version, excluded.tie, excluded.message_id);
    RETURN NEW;
END $$;

CREATE TRIGGER components_keep_replaced BEFORE UPDATE ON components
    FOR EACH ROW WHEN (OLD.uid <> NEW.uid) EXECUTE FUNCTION keep_replaced();
CREATE TRIGGER pipelineruns_keep_replaced BEFORE UPDATE ON pipelineruns
    FOR EACH ROW WHEN (OLD.uid <> NEW.uid) EXECUTE FUNCTION keep_replaced();
CREATE TRIGGER snapshots_keep_replaced BEFORE UPDATE ON snapshots
    FOR EACH ROW WHEN (OLD.uid <> NEW.uid) EXECUTE FUNCTION keep_replaced();
CREATE TRIGGER releases_keep_replaced BEFORE UPDATE ON releases
    FOR EACH ROW WHEN (OLD.uid <> NEW.uid) EXECUTE FUNCTION keep_replaced();

-- gitlab ----------------------------------------------------------------------------------------------------

-- ref holds the branch name without refs/heads/. A redelivered push never moves pushed_at: the earliest counts.
CREATE TABLE gitlab_pushes (
    sha text COLLATE "C" NOT NULL,
    repo text COLLATE "C" NOT NULL,
    ref text COLLATE "C" NOT NULL,
    project_id bigint,
    default_branch text,
    before_sha text,
    pushed_at timestamptz,
    committed_at timestamptz,
    title text,
    author text,
    pushed_by text,
    url text,
    commit_count bigint NOT NULL,
    changed_files text[] NOT NULL,
    files_complete boolean NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    message_at timestamptz,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (sha, repo, ref)
);
CREATE INDEX gitlab_pushes_branch ON gitlab_pushes (repo, ref, pushed_at DESC);

-- Version of a row: (second of updated_at, message_at, rank of the state, message_id). What a newer message may
-- not know keeps a version of its own: head_* for sha, author_* for author. merged_at is the earliest known.
CREATE TABLE gitlab_merge_requests (
    project text COLLATE "C" NOT NULL,
    iid bigint NOT NULL,
    project_id bigint,
    state text NOT NULL CHECK (state IN ('opened', 'locked', 'closed', 'merged')),
    state_rank smallint NOT NULL,
    title text,
    draft boolean NOT NULL,
    source_branch text,
    target_branch text,
    source_project_id bigint,
    target_project_id bigint,
    author_id bigint,
    merge_commit_sha text,
    labels text[] NOT NULL,
    url text,
    last_action text,
    last_actor text,
    created_at timestamptz,
    updated_at timestamptz,
    version_at timestamptz NOT NULL,
    source text NOT NULL CHECK (source IN ('webhook', 'reconcile')),
    deleted_at timestamptz,
    message_id text COLLATE "C" NOT NULL,
    message_at timestamptz NOT NULL,
    sha text,
    head_version_at timestamptz,
    head_message_at timestamptz,
    head_message_id text COLLATE "C",
    author text,
    author_version_at timestamptz,
    author_message_at timestamptz,
    author_message_id text COLLATE "C",
    merged_at timestamptz,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project, iid),
    CONSTRAINT gitlab_merge_requests_sha_has_version CHECK ((sha IS NULL) = (head_version_at IS NULL)),
    CONSTRAINT gitlab_merge_requests_author_has_version CHECK ((author IS NULL) = (author_version_at IS NULL))
);
CREATE INDEX gitlab_merge_requests_open ON gitlab_merge_requests (project, updated_at DESC) WHERE state IN ('opened', 'locked');
CREATE INDEX gitlab_merge_requests_updated ON gitlab_merge_requests (updated_at DESC);
CREATE INDEX gitlab_merge_requests_sha ON gitlab_merge_requests (sha);
CREATE INDEX gitlab_merge_requests_author ON gitlab_merge_requests (author, updated_at DESC);

-- Heads that a merge request had. head_at: latest time it became the head (opened, pushed, reopened), with the
-- message that said so; seen_at: earliest time it was mentioned. An approval mentions a head and does not make it one.
CREATE TABLE gitlab_mr_versions (
    project text COLLATE "C" NOT NULL,
    iid bigint NOT NULL,
    sha text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL GENERATED ALWAYS AS (COALESCE(head_at, seen_at)) STORED,
    head_at timestamptz,
    head_message_at timestamptz,
    head_message_id text COLLATE "C",
    seen_at timestamptz NOT NULL,
    seen_message_at timestamptz NOT NULL,
    seen_message_id text COLLATE "C" NOT NULL,
    message_id text COLLATE "C" NOT NULL GENERATED ALWAYS AS (COALESCE(head_message_id, seen_message_id)) STORED,
    message_at timestamptz NOT NULL GENERATED ALWAYS AS (COALESCE(head_message_at, seen_message_at)) STORED,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project, iid, sha)
);
CREATE INDEX gitlab_mr_versions_newest ON gitlab_mr_versions (project, iid, created_at DESC, message_at DESC);
CREATE INDEX gitlab_mr_versions_sha ON gitlab_mr_versions (sha);

-- refused ---------------------------------------------------------------------------------------------------
-- What could not be kept, with its bytes, so that it can be looked at and replayed. Partitioned by the time it was
-- sent (by month, created as needed by upkeep; the default partition takes what has no partition yet).
CREATE TABLE refused (
    id text COLLATE "C" NOT NULL,
    sent_at timestamptz NOT NULL,
    family text,
    reason text NOT NULL,
    detail text NOT NULL,
    attributes jsonb NOT NULL,
    body bytea NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (id, sent_at)
) PARTITION BY RANGE (sent_at);
CREATE TABLE refused_default PARTITION OF refused DEFAULT;
CREATE INDEX refused_reason ON refused (reason, received_at DESC);
