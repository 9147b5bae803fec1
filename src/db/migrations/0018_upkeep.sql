-- What keeps the tables from growing for ever (src/upkeep), and what keeps their statistics fresh.
--
-- Which tables have months, and why the others do not (PostgreSQL 15, two busy cores, November 2026):
-- * `refused` has them. Its rows are large (whole messages), come seldom, and are looked at seldom; a month that is
--   dropped gives its space back at once, and no reader is slower for a dozen of them.
-- * `outbox` and `deliveries` stay in the one partition they have. A month could be dropped only when nothing in it waits,
--   so one target that is away would keep it; and whoever takes or ends a lease would look through, and lock, seven
--   relations for every month of `deliveries`, where PostgreSQL 15 has room for sixteen before its shared table of locks.
--   To delete 1,000,000 old events with their deliveries took 201 s in 200 transactions of 5,000 (half of them within
--   0.95 s, the longest 2.2 s). They lock rows that nobody else wants. The space is not given back, but used again.
-- * `bot_beats` stays as well: the last heartbeats of a silent bot are kept, however old, so that no month is ever empty.

-- Passes over a table that take longer than a run, and those that one run a day is enough for. cursor: how far the present
-- pass is, empty between two; finished_at: when the last one came to its end.
CREATE TABLE upkeep_passes (
    task text COLLATE "C" PRIMARY KEY,
    cursor text COLLATE "C" NOT NULL DEFAULT '',
    finished_at timestamptz
);

-- Makes the partition for a month (UTC), and moves what the default partition holds of it. Returns how many rows; -1, and
-- nothing is done, when these are more than `most`. Writers of `refused` wait while it works: without the lock, one that had
-- chosen the default partition already would be told that its row does not belong there. Whoever waits for longer than
-- two seconds for that lock lets the others go first.
CREATE FUNCTION refused_make_month(month date, most bigint) RETURNS bigint LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
DECLARE
    part text := 'refused_' || to_char(month, 'YYYY_MM');
    first timestamptz := month::timestamp AT TIME ZONE 'UTC';
    next timestamptz := (month + interval '1 month') AT TIME ZONE 'UTC';
    moved bigint;
BEGIN
    LOCK TABLE refused IN SHARE ROW EXCLUSIVE MODE;
    IF to_regclass(part) IS NOT NULL THEN
        RETURN 0;
    END IF;
    SELECT count(*) INTO moved
    FROM (SELECT FROM refused_default WHERE sent_at >= first AND sent_at < next LIMIT most + 1) AS r;
    IF moved > most THEN
        RETURN -1;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE refused INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)', part);
    EXECUTE format('WITH gone AS (DELETE FROM refused_default WHERE sent_at >= $1 AND sent_at < $2 RETURNING *) '
        'INSERT INTO %I SELECT * FROM gone', part) USING first, next;
    EXECUTE format('ALTER TABLE refused ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', part, first, next);
    RETURN moved;
END $$;

-- Drops the partition of a month, unless it holds anything that came after a time. Returns how many rows; -1 when it stays.
CREATE FUNCTION refused_drop_month(month date, before timestamptz) RETURNS bigint LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
DECLARE
    part text := 'refused_' || to_char(month, 'YYYY_MM');
    kept boolean;
    dropped bigint;
BEGIN
    IF to_regclass(part) IS NULL THEN
        RETURN -1;
    END IF;
    EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE received_at >= $1)', part) USING before INTO kept;
    IF kept THEN
        RETURN -1;
    END IF;
    LOCK TABLE refused IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('SELECT count(*), coalesce(bool_or(received_at >= $1), false) FROM %I', part)
        USING before INTO dropped, kept;
    IF kept THEN
        RETURN -1;
    END IF;
    EXECUTE format('DROP TABLE %I', part);
    RETURN dropped;
END $$;

-- Whether a text is still wanted is asked by its hash. The same few texts end most logs, which a B-tree keeps once.
CREATE INDEX kcidb_tests_log_excerpt ON kcidb_tests (log_excerpt_sha256) WHERE log_excerpt_sha256 IS NOT NULL;
CREATE INDEX kcidb_builds_log_excerpt ON kcidb_builds (log_excerpt_sha256) WHERE log_excerpt_sha256 IS NOT NULL;
CREATE INDEX kcidb_checkouts_log_excerpt ON kcidb_checkouts (log_excerpt_sha256) WHERE log_excerpt_sha256 IS NOT NULL;

-- Autovacuum begins when a fifth of a table is dead, which is late for what is written several times a row (queues), and for
-- what has millions of rows of which the newest change.
ALTER TABLE outbox_default SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE deliveries_default SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE commit_statuses SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE kcidb_triage_queue SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
ALTER TABLE delivery_targets SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
ALTER TABLE pipelineruns SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE snapshots SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE releases SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE buildkite_builds SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE travis_builds SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE travis_jobs SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE kcidb_builds SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE kcidb_tests SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
