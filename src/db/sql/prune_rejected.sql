-- prune_rejected
-- Messages received before a time that are in no monthly partition, up to a number; only counted where $3 is true.
WITH old AS (
    SELECT r.id, r.sent_at FROM refused_default AS r
    WHERE r.received_at < $1::timestamptz
    ORDER BY r.received_at, r.id
    LIMIT $2::bigint
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM refused_default AS t USING old AS o WHERE NOT $3::boolean AND t.id = o.id AND t.sent_at = o.sent_at
)
SELECT count(*) AS rows FROM old
