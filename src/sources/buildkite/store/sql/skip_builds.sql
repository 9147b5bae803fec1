-- skip_builds
-- Marks waiting builds as skipped if a later build of their pipeline and branch has started; EventBridge has no event
-- for this. Looks at the changed builds ($1) that wait, and at the waiting builds before a changed build. A build has
-- started if it is in a state that it can only have after its start. A later event of the skipped build replaces the
-- state, because the version guard of upsert_builds ignores it.
WITH changed AS MATERIALIZED (
    SELECT b.id, b.organization, b.pipeline, b.pipeline_id, b.branch, b.number, b.event_at,
        b.state IN ('creating', 'scheduled', 'waiting') AS waits,
        coalesce(b.started_at, b.event_at) AS started_at,
        b.state NOT IN ('creating', 'scheduled', 'waiting', 'skipped', 'not_run')
            AND (b.state NOT IN ('canceled', 'canceling') OR b.started_at IS NOT NULL) AS has_started
    FROM buildkite_builds AS b
    WHERE b.id = ANY ($1::text[]) AND b.pipeline_id IS NOT NULL AND b.branch IS NOT NULL
), skipped AS (
    SELECT w.id
    FROM changed AS c
    CROSS JOIN LATERAL (
        SELECT w.id FROM buildkite_builds AS w
        WHERE w.pipeline_id = c.pipeline_id AND w.branch = c.branch AND w.number < c.number
            AND w.state IN ('creating', 'scheduled', 'waiting') AND w.event_at < c.started_at
        OFFSET 0
    ) AS w
    WHERE c.has_started
    UNION
    SELECT c.id
    FROM changed AS c
    WHERE c.waits AND EXISTS (
        SELECT FROM buildkite_builds AS l
        WHERE l.organization = c.organization AND l.pipeline = c.pipeline AND l.number > c.number
            AND l.pipeline_id = c.pipeline_id AND l.branch = c.branch
            AND l.state NOT IN ('creating', 'scheduled', 'waiting', 'skipped', 'not_run')
            AND (l.state NOT IN ('canceled', 'canceling') OR l.started_at IS NOT NULL)
            AND coalesce(l.started_at, l.event_at) > c.event_at
    )
), locked AS MATERIALIZED (
    SELECT b.id, b.state FROM buildkite_builds AS b
    WHERE b.id IN (SELECT s.id FROM skipped AS s)
    ORDER BY b.id
    FOR UPDATE
)
UPDATE buildkite_builds AS t SET state = 'skipped', skipped_from = t.state
FROM locked AS l
WHERE t.id = l.id AND t.state IN ('creating', 'scheduled', 'waiting')
RETURNING t.id, t.number, t.state, t.blocked_state, t.skipped_from, t.commit, t.branch, t.source, t.repo_host,
    t.repo_path, t.pipeline, t.pipeline_id, t.organization, t.started_at, t.failing_at, t.finished_at, t.event_at,
    t.message_id
