-- Identity is that of the upstream: host and number of a project of GitLab, not its path, which is renamed, transferred and given to
-- another project. The keys stay: they have the path that the project has now (src/gitlab/places.rs).

-- The host of a repository, in lower case. NULL in rows of before: unknown, until a message or `fill_hosts` fills it.
ALTER TABLE components ADD COLUMN host text COLLATE "C";
ALTER TABLE pipelineruns ADD COLUMN host text COLLATE "C";
ALTER TABLE snapshots ADD COLUMN host text COLLATE "C";
ALTER TABLE releases ADD COLUMN host text COLLATE "C";
-- heard_at: the latest second that any message about the merge request tells, also one whose state does not count.
ALTER TABLE gitlab_merge_requests ADD COLUMN host text COLLATE "C", ADD COLUMN heard_at timestamptz;
ALTER TABLE gitlab_pushes ADD COLUMN host text COLLATE "C";

-- Paths that a project has or had, each with the latest time at which something of GitLab's own was under it. rank: 1 when the project
-- itself said so (renamed, transferred, asked for), 0 when something in it did. is_current: its path now. is_owner: whether the rows under
-- that path are of this project; else another one has it, and what is known of this one is in `replaced`.
CREATE TABLE gitlab_projects (
    host text COLLATE "C" NOT NULL,
    project_id bigint NOT NULL,
    path text COLLATE "C" NOT NULL,
    said_at timestamptz NOT NULL,
    rank smallint NOT NULL,
    is_current boolean NOT NULL,
    is_owner boolean NOT NULL,
    PRIMARY KEY (host, project_id, path),
    CONSTRAINT gitlab_projects_owners_are_current CHECK (is_current OR NOT is_owner)
);
CREATE INDEX gitlab_projects_path ON gitlab_projects (path);

-- The host in the address of a page or of a repository.
CREATE FUNCTION host_of(url text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT nullif(lower(coalesce(substring(url FROM '^[a-z+]+://(?:[^/@]*@)?([^/:?#]+)'), substring(url FROM '^(?:[^/@:]*@)?([^/:]+\.[^/:]+):'))), '')
$$;
