-- prune_statuses
-- Commit statuses older than a number of days, the oldest first, up to a number; only counted where $3 is true.
WITH old AS (
    SELECT c.id FROM commit_statuses AS c
    WHERE c.state <> 'pending' AND c.wanted_at < now() - $1::integer * interval '1 day'
    ORDER BY c.wanted_at
    LIMIT $2::bigint
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM commit_statuses AS t USING old AS o WHERE NOT $3::boolean AND t.id = o.id
)
SELECT count(*) AS statuses FROM old
