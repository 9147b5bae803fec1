-- outside a transaction
-- What the overview counts and lists: checks of a table in a state, by their last change, and those that are stuck. The indexes name no
-- state: which states are failed or open is a parameter of the statements.
CREATE INDEX CONCURRENTLY IF NOT EXISTS checks_state ON checks (kind, state, changed_at DESC);
CREATE INDEX CONCURRENTLY IF NOT EXISTS checks_stuck ON checks (kind, stuck_since, key) WHERE stuck_since IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS checks_open;
-- The newest Release of a component, for its badge.
CREATE INDEX CONCURRENTLY IF NOT EXISTS releases_component ON releases (component, created_at DESC) WHERE component IS NOT NULL AND deleted_at IS NULL;
-- What pushes of before say of their repositories is read as the rows of checks are.
INSERT INTO check_projections (kind) SELECT 'gitlab_pushes' WHERE EXISTS (SELECT FROM gitlab_pushes) ON CONFLICT (kind) DO NOTHING;
