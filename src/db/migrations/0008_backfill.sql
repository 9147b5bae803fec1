-- Runs of backfill: how far each got, so that it can go on after a crash or in the next invocation.
CREATE TABLE backfill_runs (
    id text COLLATE "C" PRIMARY KEY,
    parameters jsonb NOT NULL CHECK (jsonb_typeof(parameters) = 'object'),
    state text NOT NULL CHECK (state IN ('running', 'done', 'failed', 'cancelled')),
    -- The last key of the archive up to which everything is committed.
    cursor text COLLATE "C",
    counts jsonb NOT NULL CHECK (jsonb_typeof(counts) = 'object'),
    -- The first of those objects that could not be read: [{"key", "reason"}]; counts has the number of all.
    unreadable jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(unreadable) = 'array'),
    -- Why it failed.
    error text,
    -- Who works on it, and when that one last said so.
    owner text,
    heartbeat_at timestamptz,
    -- How often it was begun or gone on with.
    invocations integer NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    CONSTRAINT backfill_runs_ended CHECK ((state = 'running') = (ended_at IS NULL)),
    CONSTRAINT backfill_runs_failed CHECK ((state = 'failed') = (error IS NOT NULL))
);
CREATE INDEX backfill_runs_started_at ON backfill_runs (started_at DESC);
