-- prune_unrouted
-- Events that waited for a target and that none can receive any more, up to a number; only counted where $2 is true. A
-- target receives events after its registration, and the first one also those of the hour before.
WITH old AS (
    SELECT o.id, o.created_at FROM outbox AS o
    WHERE o.routed_at IS NULL AND o.created_at < coalesce(
        (SELECT min(coalesce(t.registered_at, '-infinity')) FROM delivery_targets AS t WHERE t.disabled_at IS NULL),
        now() - interval '1 hour')
    ORDER BY o.id
    LIMIT $1::bigint
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM outbox AS t USING old AS o WHERE NOT $2::boolean AND t.id = o.id AND t.created_at = o.created_at
)
SELECT count(*) AS events FROM old
