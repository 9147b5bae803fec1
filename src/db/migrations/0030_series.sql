-- Series: the results of one check by name on one branch, in the order of the commits (src/checks/series.rs). All of it is a function of
-- checks and pushes, settled in the transaction that changes them.

-- Place of a commit on a branch: when a push made it the head, and without known pushes when its first check was created. branch: empty for
-- checks without one. The row is locked before results of the commit are read.
CREATE TABLE commit_places (
    repo text COLLATE "C" NOT NULL,
    branch text COLLATE "C" NOT NULL,
    sha text COLLATE "C" NOT NULL,
    pushed_at timestamptz,
    first_check_at timestamptz,
    place timestamptz GENERATED ALWAYS AS (coalesce(pushed_at, first_check_at)) STORED,
    PRIMARY KEY (repo, branch, sha)
) WITH (fillfactor = 90);
CREATE INDEX commit_places_order ON commit_places (repo, branch, place DESC, sha DESC);

-- Deletions of branches: results from before the last one do not belong to a new branch of that name. before_sha: the head that was
-- deleted; the earliest message about it has the time.
CREATE TABLE branch_deletions (
    repo text COLLATE "C" NOT NULL,
    branch text COLLATE "C" NOT NULL,
    before_sha text COLLATE "C" NOT NULL,
    deleted_at timestamptz NOT NULL,
    PRIMARY KEY (repo, branch, before_sha)
);

-- holds writers: few rows
CREATE INDEX repositories_path ON repositories (repo);

-- One row for each series with a result. kind, key, point, place, state, outcome, optional, at: the newest result. edge_*: the result that
-- began the present run of equal outcomes, if an edge did; before_*: the result before that. count: results of the present run of bad
-- ones, at most 100.
CREATE TABLE series (
    id uuid PRIMARY KEY,
    system text COLLATE "C" NOT NULL,
    host text COLLATE "C" NOT NULL,
    repo text COLLATE "C" NOT NULL,
    branch text COLLATE "C" NOT NULL,
    lane text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    kind text COLLATE "C",
    key text COLLATE "C",
    point text COLLATE "C",
    place timestamptz,
    state text COLLATE "C",
    outcome text COLLATE "C",
    optional boolean,
    at timestamptz,
    edge_point text COLLATE "C",
    edge_place timestamptz,
    edge_at timestamptz,
    before_point text COLLATE "C",
    before_place timestamptz,
    count integer,
    CONSTRAINT series_outcome CHECK (outcome IN ('ok', 'bad'))
) WITH (fillfactor = 80);
CREATE INDEX series_bad ON series (edge_at DESC, id DESC) WHERE outcome = 'bad';
CREATE INDEX series_branch ON series (repo, branch, name);

-- The result of a series for one commit: that of the newest of its checks. point: the commit, or without one the key of the check.
CREATE TABLE series_results (
    series uuid NOT NULL,
    point text COLLATE "C" NOT NULL,
    place timestamptz NOT NULL,
    kind text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    outcome text COLLATE "C" NOT NULL,
    optional boolean NOT NULL,
    -- Whether checks of the commit passed and failed.
    flaky boolean NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (series, point),
    CONSTRAINT series_results_outcome CHECK (outcome IN ('ok', 'bad'))
) WITH (fillfactor = 90);
CREATE INDEX series_results_order ON series_results (series, place DESC, point DESC);

-- Results that differ from the one before (broken, fixed), and commits with both (flaky). system, kind, key: the check that decides.
-- before_*: the result before it.
CREATE TABLE check_transitions (
    series uuid NOT NULL,
    point text COLLATE "C" NOT NULL,
    place timestamptz NOT NULL,
    system text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    transition text COLLATE "C" NOT NULL,
    flaky boolean NOT NULL,
    at timestamptz NOT NULL,
    before_point text COLLATE "C",
    before_place timestamptz,
    PRIMARY KEY (series, point),
    CONSTRAINT check_transitions_transition CHECK (transition IN ('broken', 'fixed', 'flaky'))
);
CREATE INDEX check_transitions_order ON check_transitions (series, place DESC, point DESC);
CREATE INDEX check_transitions_recent ON check_transitions (at DESC, series, point);

-- How far the rows from before this migration are settled. Without a row: there were none.
CREATE TABLE series_projections (
    kind text COLLATE "C" PRIMARY KEY,
    begun_at timestamptz NOT NULL DEFAULT now(),
    position text[] NOT NULL DEFAULT '{}',
    rows bigint NOT NULL DEFAULT 0,
    done_at timestamptz
);
INSERT INTO series_projections (kind)
SELECT i.kind FROM (VALUES
    ('checks', EXISTS (SELECT FROM checks)),
    ('gitlab_pushes', EXISTS (SELECT FROM gitlab_pushes))
) AS i (kind, has_rows)
WHERE i.has_rows;

-- Series with what their meaning depends on besides their results. is_main: of a release or tag, or of a default branch. is_deleted: the
-- branch was deleted after the newest result. newer: commits of the branch after the newest result that have a check of the same source
-- and lane, at most 10: the check of the series has another name now, or is gone.
CREATE VIEW series_standing AS
SELECT s.*,
    s.branch = '' OR s.branch = ANY (coalesce(
        (SELECT array_agg(r.default_branch) FROM repositories AS r WHERE r.repo = s.repo AND (r.host = s.host OR s.host = '')),
        '{main,master}'
    )) AS is_main,
    EXISTS (
        SELECT FROM branch_deletions AS b WHERE b.repo = s.repo AND b.branch = s.branch AND b.deleted_at >= s.place
    ) AS is_deleted,
    (
        SELECT count(*) FROM (
            SELECT FROM (
                SELECT p.sha, p.repo FROM commit_places AS p
                WHERE p.repo = s.repo AND p.branch = s.branch AND p.place > s.place
                ORDER BY p.place
                LIMIT 200
            ) AS p
            WHERE EXISTS (
                SELECT FROM checks AS c WHERE c.sha = p.sha AND c.repo = p.repo AND c.system = s.system AND c.lane = s.lane
            )
            LIMIT 10
        ) AS l
    ) AS newer
FROM series AS s;
