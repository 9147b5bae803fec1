-- Who receives events is known where they are written: targets are registered with their rules (no address, no secret), and an
-- event that no target can receive is not written.

-- rules: what the target receives; NULL where a release before this one registered it. deployment: targets that one document
-- names; who is not in it any more is disabled. registered_at: the target receives what happened later; NULL for
-- one of a release before this one, which receives all that is not outdated. seen_at: when a process
-- that has the document said so last.
ALTER TABLE delivery_targets
    ADD COLUMN rules json,
    ADD COLUMN max_age_s bigint,
    ADD COLUMN deployment text COLLATE "C",
    ADD COLUMN registered_at timestamptz,
    ADD COLUMN seen_at timestamptz,
    ADD COLUMN disabled_at timestamptz;

-- Whether it is known which targets there are. Before the first registration it is not: events are written and wait.
CREATE TABLE delivery_registry (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    known_since timestamptz NOT NULL DEFAULT now()
);

-- Until when a deliverer looks for work by itself. A transaction that makes something due later than that has one invoked.
CREATE TABLE delivery_awake (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    awake_until timestamptz NOT NULL
);
INSERT INTO delivery_awake (awake_until) VALUES ('1970-01-01 00:00:00+00');

-- When the message was sent that caused it: its age counts from then. NULL: from when the row was written.
ALTER TABLE outbox ADD COLUMN message_at timestamptz;
ALTER TABLE deliveries ADD COLUMN message_at timestamptz;
ALTER TABLE commit_statuses ADD COLUMN message_at timestamptz;

-- 'outdated': known, and not announced; the next change is compared with it.
ALTER TABLE commit_statuses DROP CONSTRAINT commit_statuses_state_check;
ALTER TABLE commit_statuses ADD CONSTRAINT commit_statuses_state_check
    CHECK (state IN ('pending', 'delivered', 'dead', 'outdated')) NOT VALID;

-- The check run at GitHub that a job's or build's state is shown by: GitHub does not reopen a completed one, so a run that
-- begins again gets a new one.
CREATE TABLE check_runs (
    target text COLLATE "C" NOT NULL,
    repo text COLLATE "C" NOT NULL,
    sha text COLLATE "C" NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    run_id bigint NOT NULL,
    completed boolean NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (target, repo, sha, external_id)
);
CREATE INDEX check_runs_updated ON check_runs (updated_at);
