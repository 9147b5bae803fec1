-- disable_unseen_targets
-- Disables targets that no process has registered for a number of days; only counts them where $2 is true.
WITH unseen AS (
    SELECT t.name FROM delivery_targets AS t
    WHERE t.disabled_at IS NULL
        AND coalesce(t.seen_at, (SELECT r.known_since FROM delivery_registry AS r), now())
            < now() - $1::integer * interval '1 day'
    ORDER BY t.name
    FOR UPDATE
), gone AS (
    UPDATE delivery_targets AS t SET disabled_at = now() FROM unseen AS u WHERE NOT $2::boolean AND t.name = u.name
)
SELECT count(*) AS targets FROM unseen
