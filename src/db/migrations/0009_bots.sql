-- Tables of the family bots. Version of a bot's row: (updated_at, message_id). `gone` stays, as a tombstone.
CREATE TABLE bots (
    name text COLLATE "C" PRIMARY KEY,
    status text NOT NULL CHECK (status IN ('ok', 'warning', 'failed', 'gone')),
    comment text,
    meta jsonb NOT NULL CHECK (jsonb_typeof(meta) = 'object'),
    interval_seconds bigint CHECK (interval_seconds > 0),
    warnings text[] NOT NULL,
    updated_at timestamptz NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    message_at timestamptz,
    received_at timestamptz NOT NULL DEFAULT now()
);

-- Every heartbeat, with the status of the one before it in time. Nothing less gives the same history in any order of
-- arrival: a heartbeat that comes late may part two that were alike until then.
CREATE TABLE bot_beats (
    name text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    status text NOT NULL CHECK (status IN ('ok', 'warning', 'failed', 'gone')),
    before text,
    comment text,
    message_at timestamptz,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name, at, message_id)
) PARTITION BY RANGE (at);
CREATE TABLE bot_beats_default PARTITION OF bot_beats DEFAULT;
CREATE INDEX bot_beats_transitions ON bot_beats (at DESC, name) WHERE before IS DISTINCT FROM status;

CREATE VIEW bot_transitions AS
SELECT name, before AS from_status, status AS to_status, at, comment, message_id, message_at
FROM bot_beats WHERE before IS DISTINCT FROM status;
