-- What all sources have in common: one row for each run, job, status or checkout, and the branches of repositories. A projection of
-- the rows of the sources, written in the transaction that changes them (src/checks).

CREATE TABLE repositories (
    host text COLLATE "C" NOT NULL,
    repo text COLLATE "C" NOT NULL,
    upstream_id text COLLATE "C",
    default_branch text COLLATE "C" NOT NULL,
    -- When a message said so: the newest one decides.
    said_at timestamptz NOT NULL,
    PRIMARY KEY (host, repo)
);

-- kind: the table of the source's own row; key: its key there. host, repo: where the commit is; empty if unknown. branch: the branch that
-- it ran for; NULL if unknown, and for merge requests their source branch. run: what its attempts have in common. attempt_is_whole: a newer
-- attempt replaces all checks of an older one. seq: order among the checks of one name. original: the state in the word of the source. warn: it passed with warnings. optional: its failure is allowed.
-- ever_bad: whether it has ever been bad; NULL if that is not recorded. stuck_since: if it is still open then, it counts as stuck.
CREATE TABLE checks (
    system text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    stage text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    host text COLLATE "C" NOT NULL,
    repo text COLLATE "C" NOT NULL,
    sha text COLLATE "C",
    branch text COLLATE "C",
    mr bigint,
    lane text COLLATE "C" NOT NULL,
    run text COLLATE "C" NOT NULL,
    attempt integer NOT NULL,
    attempt_is_whole boolean NOT NULL,
    seq bigint NOT NULL,
    state text COLLATE "C" NOT NULL,
    original text COLLATE "C" NOT NULL,
    warn boolean NOT NULL,
    optional boolean NOT NULL,
    ever_bad boolean,
    waived_by text COLLATE "C",
    url text,
    log_url text,
    created_at timestamptz NOT NULL,
    started_at timestamptz,
    finished_at timestamptz,
    changed_at timestamptz NOT NULL,
    stuck_since timestamptz,
    PRIMARY KEY (system, kind, key),
    CONSTRAINT checks_lane CHECK (lane IN ('push', 'mr', 'queue', 'schedule', 'tag', 'release', 'dispatch')),
    CONSTRAINT checks_state CHECK (state IN ('pending', 'running', 'canceling', 'failing', 'passed', 'failed', 'errored', 'blocked',
        'blocked_failed', 'canceled', 'superseded', 'skipped', 'not_run', 'unknown'))
) WITH (fillfactor = 85);
CREATE INDEX checks_sha ON checks (sha, repo) WHERE sha IS NOT NULL;
CREATE INDEX checks_branch ON checks (repo, branch, created_at DESC) WHERE branch IS NOT NULL;
CREATE INDEX checks_mr ON checks (repo, mr, created_at DESC) WHERE mr IS NOT NULL;
CREATE INDEX checks_recent ON checks (created_at DESC);
CREATE INDEX checks_repo_recent ON checks (repo, created_at DESC);
CREATE INDEX checks_bad ON checks (created_at DESC) WHERE state IN ('failing', 'failed', 'errored', 'blocked_failed');
CREATE INDEX checks_open ON checks (stuck_since) WHERE state IN ('pending', 'running', 'canceling', 'unknown', 'failing');

-- Rules of verdicts: the document that a process registered last (VERDICTS).
CREATE TABLE verdict_rules (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    revision bigint NOT NULL,
    document text NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT now()
);

-- How far the rows that a table had before this migration are projected. Without a row: the table had none.
CREATE TABLE check_projections (
    kind text COLLATE "C" PRIMARY KEY,
    begun_at timestamptz NOT NULL DEFAULT now(),
    position text COLLATE "C" NOT NULL DEFAULT '',
    rows bigint NOT NULL DEFAULT 0,
    done_at timestamptz
);
INSERT INTO check_projections (kind)
SELECT i.kind FROM (VALUES
    ('pipelineruns', EXISTS (SELECT FROM pipelineruns)),
    ('releases', EXISTS (SELECT FROM releases)),
    ('buildkite_builds', EXISTS (SELECT FROM buildkite_builds)),
    ('travis_builds', EXISTS (SELECT FROM travis_builds)),
    ('kcidb_checkouts', EXISTS (SELECT FROM kcidb_checkouts)),
    ('bots', EXISTS (SELECT FROM bots))
) AS i (kind, has_rows)
WHERE i.has_rows;

-- Whether any message said that the object failed, also one that is older than the row. NULL in rows of before: unknown.
ALTER TABLE buildkite_builds ADD COLUMN ever_bad boolean;
ALTER TABLE travis_builds ADD COLUMN ever_bad boolean;
ALTER TABLE pipelineruns ADD COLUMN ever_bad boolean;

-- As ever_bad is no part of a version, an object that loses its name does not take it along: what is kept in replaced is the same, in
-- whatever order the messages arrive.
CREATE OR REPLACE FUNCTION keep_replaced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO replaced AS r (kind, name, uid, rank, resource_version, tie, message_id, "row")
    VALUES (TG_TABLE_NAME, OLD.name, OLD.uid, OLD.rank, OLD.resource_version, OLD.tie, OLD.message_id,
            to_jsonb(OLD) - 'received_at' - 'stale_since' - 'ever_bad')
    ON CONFLICT (kind, name, uid) DO UPDATE SET
        rank = excluded.rank, resource_version = excluded.resource_version, tie = excluded.tie,
        message_id = excluded.message_id, "row" = excluded."row", received_at = excluded.received_at
    WHERE (r.rank, r.resource_version, r.tie, r.message_id)
        < (excluded.rank, excluded.resource_version, excluded.tie, excluded.message_id);
    RETURN NEW;
END $$;
