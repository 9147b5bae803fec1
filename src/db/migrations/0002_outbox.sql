-- Events for the outside, written by the transaction that caused them. Delivered at least once, and in the order of
-- their ids for each (family, key): who writes holds a lock on what the key stands for.
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY,
    family text COLLATE "C" NOT NULL,
    event text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    attributes jsonb NOT NULL CHECK (jsonb_typeof(attributes) = 'object'),
    payload jsonb NOT NULL CHECK (jsonb_typeof(payload) = 'object'),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
CREATE TABLE outbox_default PARTITION OF outbox DEFAULT;
CREATE INDEX outbox_key ON outbox (family, key, id);
