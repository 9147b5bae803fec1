-- prune_deliveries
-- What has come to an end before so many days, so many rows at most. Counts only where $3 is true.
WITH old AS (
    SELECT d.outbox_id, d.target, d.created_at FROM deliveries AS d
    WHERE d.state <> 'pending' AND d.created_at < now() - $1::integer * interval '1 day'
    LIMIT $2
), gone AS (
    DELETE FROM deliveries AS d USING old AS o
    WHERE NOT $3::boolean AND d.outbox_id = o.outbox_id AND d.target = o.target AND d.created_at = o.created_at
)
SELECT count(*) FROM old
