-- What was submitted over HTTP and kept: for whoever asks what became of a submission that changed nothing, or whose
-- objects others have changed since. Kept for 90 days.
CREATE TABLE kcidb_receipts (
    id text COLLATE "C" PRIMARY KEY,
    submitter text COLLATE "C" NOT NULL,
    objects bigint NOT NULL CHECK (objects >= 0),
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX kcidb_receipts_received ON kcidb_receipts (received_at);
