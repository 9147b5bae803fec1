-- What was announced of the verdicts of commits (src/checks/store/announced.rs). It depends on arrival, by nature.

-- Commits whose checks have changed, for the process that announces verdicts. Only written while a target asks for verdicts. silent: by a
-- backfill, which announces nothing.
CREATE TABLE verdict_changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    repo text COLLATE "C" NOT NULL,
    sha text COLLATE "C" NOT NULL,
    silent boolean NOT NULL
);

-- verdict: the newest one. due_at: when time alone can change it.
CREATE TABLE verdicts (
    host text COLLATE "C" NOT NULL,
    repo text COLLATE "C" NOT NULL,
    sha text COLLATE "C" NOT NULL,
    verdict text COLLATE "C" NOT NULL,
    due_at timestamptz,
    PRIMARY KEY (sha, repo, host),
    CONSTRAINT verdicts_verdict CHECK (verdict IN ('passed', 'failed', 'pending', 'blocked', 'none'))
) WITH (fillfactor = 80);
CREATE INDEX verdicts_due ON verdicts (due_at) WHERE due_at IS NOT NULL;
