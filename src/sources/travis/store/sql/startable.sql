-- startable
-- Jobs that may start now, those of higher priority first, then the oldest. A stage number is read from the left:
-- positions 1, 3, .. are stages, which run one after the other; positions 2, 4, .. run in parallel.
SELECT j.id, j.build_id, j.repository_id, j.queue
FROM travis_queueable_jobs AS q
JOIN travis_jobs AS j ON j.id = q.job_id
JOIN travis_builds AS b ON b.id = j.build_id
WHERE j.state = 'created' AND b.state IS DISTINCT FROM 'canceled' AND NOT EXISTS (
    SELECT FROM travis_jobs AS o
    CROSS JOIN LATERAL (SELECT string_to_array(j.stage_number, '.')::integer[] AS own,
        string_to_array(o.stage_number, '.')::integer[] AS other) AS s
    CROSS JOIN LATERAL generate_series(1, cardinality(s.own), 2) AS p (level)
    WHERE o.build_id = j.build_id AND o.id <> j.id
        AND (o.state IS NULL OR o.state IN ('created', 'queued', 'received', 'started'))
        AND s.other[p.level] < s.own[p.level] AND s.other[:p.level - 1] = s.own[:p.level - 1]
)
ORDER BY coalesce(j.priority, 0) DESC, j.id
LIMIT $1::bigint
