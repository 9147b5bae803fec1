-- What names the key of another table is compared byte by byte, as that key is. Until now it was not, and no index could
-- serve a join: of two columns of different collations the one that is not the default is taken, and an index of the other is
-- of no use. No table is rewritten, only the indexes of these columns; one at a time, for the sake of the statement timeout.
ALTER TABLE components ALTER git_project TYPE text COLLATE "C";
ALTER TABLE pipelineruns ALTER component TYPE text COLLATE "C";
ALTER TABLE pipelineruns ALTER sha TYPE text COLLATE "C";
ALTER TABLE pipelineruns ALTER project TYPE text COLLATE "C";
ALTER TABLE pipelineruns ALTER snapshot TYPE text COLLATE "C";
ALTER TABLE pipelineruns ALTER release_name TYPE text COLLATE "C";
ALTER TABLE snapshots ALTER component TYPE text COLLATE "C";
ALTER TABLE snapshots ALTER sha TYPE text COLLATE "C";
ALTER TABLE snapshots ALTER project TYPE text COLLATE "C";
ALTER TABLE snapshots ALTER source_plr TYPE text COLLATE "C";
ALTER TABLE releases ALTER component TYPE text COLLATE "C";
ALTER TABLE releases ALTER snapshot TYPE text COLLATE "C";
ALTER TABLE releases ALTER sha TYPE text COLLATE "C";
ALTER TABLE releases ALTER project TYPE text COLLATE "C";
ALTER TABLE releases ALTER release_plr TYPE text COLLATE "C";
ALTER TABLE gitlab_merge_requests ALTER sha TYPE text COLLATE "C";
ALTER TABLE buildkite_builds ALTER commit TYPE text COLLATE "C";
-- A column of another type has no statistics; without them the planner guesses wrong until they are gathered again.
ANALYZE components, pipelineruns, snapshots, releases, gitlab_merge_requests, buildkite_builds;
