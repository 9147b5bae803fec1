-- notify_due
-- Something is due: listening processes are notified when this commits. `asleep`: no deliverer is running.
SELECT coalesce((SELECT a.awake_until FROM delivery_awake AS a) < now(), true) AS asleep,
    pg_notify('hummingbird_status_due', '')::text AS notified
