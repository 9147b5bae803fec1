-- Deliveries: which events go where, how often that was tried, and when it is to be tried again. Whatever waits, waits
-- here: no process sleeps for the sake of another system.

-- An event is routed once: split into the deliveries and commit statuses that the targets of the day want.
ALTER TABLE outbox ADD COLUMN routed_at timestamptz;
-- Why an event led nowhere, where it was meant to.
ALTER TABLE outbox ADD COLUMN note text;
CREATE INDEX outbox_unrouted ON outbox (id) WHERE routed_at IS NULL;
CREATE INDEX outbox_created ON outbox (created_at);
CREATE INDEX outbox_noted ON outbox (note, id) WHERE note IS NOT NULL;

-- A place that is told, with its circuit breaker and its pace, shared by all processes.
CREATE TABLE delivery_targets (
    name text COLLATE "C" PRIMARY KEY,
    -- Faults in a row (no answer, or 5xx).
    failures integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
    -- How often in a row it was closed off; above 0, only one delivery at a time probes it.
    trips integer NOT NULL DEFAULT 0 CHECK (trips >= 0),
    -- Nothing is sent before.
    open_until timestamptz,
    -- A probe is under way until then.
    probe_until timestamptz,
    reason text,
    -- The earliest moment of the next delivery, where the target has a pace.
    next_at timestamptz NOT NULL DEFAULT now()
);

-- What each commit is to be told, the latest only, and what it was told. Version of `wanted_*`: (version_number,
-- version_at, version_tie). `sent_*` is what the lease is about.
CREATE TABLE commit_statuses (
    id bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    target text COLLATE "C" NOT NULL,
    repo text COLLATE "C" NOT NULL,
    sha text COLLATE "C" NOT NULL,
    context text COLLATE "C" NOT NULL CHECK (context = lower(context)),
    name text NOT NULL,
    wanted_state text NOT NULL,
    wanted_description text NOT NULL,
    wanted_url text,
    wanted_at timestamptz NOT NULL DEFAULT now(),
    version_number bigint NOT NULL,
    version_at timestamptz NOT NULL,
    version_tie text COLLATE "C" NOT NULL,
    outbox_id bigint NOT NULL,
    sent_state text,
    sent_description text,
    sent_url text,
    delivered_state text,
    delivered_description text,
    delivered_url text,
    delivered_at timestamptz,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead')),
    posts integer NOT NULL DEFAULT 0,
    attempts integer NOT NULL DEFAULT 0,
    refusals integer NOT NULL DEFAULT 0,
    -- Leases that ended without word of what became of them: each may have been a post.
    cut integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    lease uuid UNIQUE,
    lease_until timestamptz,
    reason text,
    PRIMARY KEY (target, repo, sha, context)
);
CREATE INDEX commit_statuses_due ON commit_statuses (target, next_attempt_at) WHERE state = 'pending';
CREATE INDEX commit_statuses_sha ON commit_statuses (sha);
CREATE INDEX commit_statuses_wanted ON commit_statuses (wanted_at);
CREATE INDEX commit_statuses_dead ON commit_statuses (target, id) WHERE state = 'dead';

-- Everything else that is told: one row for each event and target. Sent in order of outbox_id for each (target, family,
-- key): only the first that is pending may be leased.
CREATE TABLE deliveries (
    outbox_id bigint NOT NULL,
    target text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    family text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead')),
    delivered_at timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    refusals integer NOT NULL DEFAULT 0,
    cut integer NOT NULL DEFAULT 0,
    since timestamptz NOT NULL DEFAULT now(),
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    lease uuid,
    lease_until timestamptz,
    reason text,
    PRIMARY KEY (outbox_id, target, created_at)
) PARTITION BY RANGE (created_at);
CREATE TABLE deliveries_default PARTITION OF deliveries DEFAULT;
CREATE INDEX deliveries_due ON deliveries (target, next_attempt_at, outbox_id) WHERE state = 'pending';
CREATE INDEX deliveries_order ON deliveries (target, family, key, outbox_id) WHERE state = 'pending';
CREATE INDEX deliveries_lease ON deliveries (lease) WHERE lease_until IS NOT NULL;
CREATE INDEX deliveries_created ON deliveries (created_at);
CREATE INDEX deliveries_dead ON deliveries (target, outbox_id) WHERE state = 'dead';
