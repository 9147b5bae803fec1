-- next_due
-- For each target: the milliseconds until the next delivery may be sent, NULL when none is pending; the number of
-- pending ones, and its last response. For each key of events only the first pending one counts.
SELECT t.name, s.pending + d.pending AS pending, t.reason,
    (extract(epoch FROM greatest(
        least(s.at, d.at), t.next_at, t.open_until, CASE WHEN t.trips > 0 THEN t.probe_until END
    ) - now()) * 1000)::bigint AS wait_ms
FROM delivery_targets AS t
CROSS JOIN LATERAL (
    SELECT count(*) AS pending, min(c.next_attempt_at) AS at
    FROM commit_statuses AS c WHERE c.target = t.name AND c.state = 'pending'
) AS s
CROSS JOIN LATERAL (
    SELECT count(*) AS pending, min(c.next_attempt_at) FILTER (WHERE NOT EXISTS (
        SELECT FROM deliveries AS e
        WHERE e.target = c.target AND e.family = c.family AND e.key = c.key AND e.state = 'pending'
            AND e.outbox_id < c.outbox_id
    )) AS at
    FROM deliveries AS c WHERE c.target = t.name AND c.state = 'pending'
) AS d
WHERE t.name = ANY ($1::text[]) AND (s.pending > 0 OR d.pending > 0)
ORDER BY t.name
