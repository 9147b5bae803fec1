-- What reconcile keeps: when each project of GitLab was last looked at, and what got stuck.

-- checked_at: start of the last run that got to the end of the project, well or not; whoever has waited longest is
-- next. swept_at: start of the last sweep over what had changed; the next one begins there. problem: why the project
-- could not be checked.
CREATE TABLE reconcile_projects (
    project text COLLATE "C" PRIMARY KEY,
    checked_at timestamptz NOT NULL,
    swept_at timestamptz,
    problem text,
    CONSTRAINT reconcile_projects_sweeps_begin_with_a_check CHECK (swept_at <= checked_at)
);

-- Heads that only a list told of, so that the time at which each became the head is still to be asked for.
CREATE INDEX gitlab_mr_versions_untimed ON gitlab_mr_versions (project, iid)
    WHERE head_at IS NULL AND seen_message_id LIKE 'reconcile-%';

-- Since when something is past the time that any of its kind may take, while nothing was heard of it: its last message
-- was lost. A mark for readers, which the next message takes off; no part of a version, and not kept in replaced.
ALTER TABLE pipelineruns ADD COLUMN stale_since timestamptz;
ALTER TABLE releases ADD COLUMN stale_since timestamptz;
CREATE INDEX pipelineruns_stale ON pipelineruns (stale_since) WHERE stale_since IS NOT NULL;
CREATE INDEX releases_stale ON releases (stale_since) WHERE stale_since IS NOT NULL;

CREATE OR REPLACE FUNCTION keep_replaced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO replaced AS r (kind, name, uid, rank, resource_version, tie, message_id, "row")
    VALUES (TG_TABLE_NAME, OLD.name, OLD.uid, OLD.rank, OLD.resource_version, OLD.tie, OLD.message_id,
            to_jsonb(OLD) - 'received_at' - 'stale_since')
    ON CONFLICT (kind, name, uid) DO UPDATE SET
        rank = excluded.rank, resource_version = excluded.resource_version, tie = excluded.tie,
        message_id = excluded.message_id, "row" = excluded."row", received_at = excluded.received_at
    WHERE (r.rank, r.resource_version, r.tie, r.message_id)
        < (excluded.rank, excluded.resource_version, excluded.tie, excluded.message_id);
    RETURN NEW;
END $$;
