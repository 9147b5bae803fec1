-- prune_check_runs
-- Check runs without an update for a number of days, the oldest first, up to a number; only counted where $3 is true.
WITH old AS (
    SELECT c.target, c.repo, c.sha, c.external_id FROM check_runs AS c
    WHERE c.updated_at < now() - $1::integer * interval '1 day'
    ORDER BY c.updated_at
    LIMIT $2::bigint
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM check_runs AS t USING old AS o
    WHERE NOT $3::boolean AND t.target = o.target AND t.repo = o.repo AND t.sha = o.sha
        AND t.external_id = o.external_id
)
SELECT count(*) AS runs FROM old
