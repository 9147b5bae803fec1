-- kcidb_count_checkouts
-- Counts checkouts that began since $1, and unfinished ones that began since $2.
SELECT
    count(*) FILTER (WHERE c.at >= $1::timestamptz) AS new,
    count(*) FILTER (WHERE c.at >= $1 AND c.failed) AS failed,
    count(*) FILTER (WHERE NOT c.finished) AS unfinished,
    (SELECT count(*) FROM (SELECT FROM kcidb_triage_queue LIMIT 10000) AS q) AS untriaged,
    max(c.at) AS newest
FROM (
    SELECT coalesce(c.start_time, c.message_at, c.received_at) AS at,
        EXISTS (
            SELECT FROM kcidb_milestones AS m WHERE m.checkout_id = c.id AND m.milestone = 'tests_finished'
        ) AS finished,
        coalesce(c.start_time, c.message_at, c.received_at) >= $1 AND (c.valid IS FALSE OR EXISTS (
            SELECT FROM kcidb_builds AS b WHERE b.checkout_id = c.id AND (b.status IN ('FAIL', 'ERROR') OR EXISTS (
                SELECT FROM kcidb_tests AS t WHERE t.build_id = b.id AND t.status IN ('FAIL', 'ERROR'))))) AS failed
    FROM kcidb_checkouts AS c
    WHERE coalesce(c.start_time, c.message_at, c.received_at) >= $2::timestamptz
) AS c
