-- prune_outbox
WITH old AS (
    SELECT o.id, o.created_at FROM outbox AS o
    WHERE o.routed_at IS NOT NULL AND o.created_at < now() - $1::integer * interval '1 day'
        AND NOT EXISTS (SELECT FROM deliveries AS d WHERE d.outbox_id = o.id AND d.created_at = o.created_at)
    LIMIT $2
), gone AS (
    DELETE FROM outbox AS t USING old AS o WHERE NOT $3::boolean AND t.id = o.id AND t.created_at = o.created_at
)
SELECT count(*) FROM old
