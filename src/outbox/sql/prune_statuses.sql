-- prune_statuses
WITH old AS (
    SELECT c.id FROM commit_statuses AS c
    WHERE c.state <> 'pending' AND c.wanted_at < now() - $1::integer * interval '1 day'
    LIMIT $2
), gone AS (
    DELETE FROM commit_statuses AS t USING old AS o WHERE NOT $3::boolean AND t.id = o.id
)
SELECT count(*) FROM old
