-- list_broken
-- Series whose newest result is a failure, those that broke last first. Left out are those of deleted branches, those
-- whose newest result is older than $8, and those after whose newest result $9 commits had checks of other names only.
-- results, flaky: the last 100 results since $8, and how many of them have both a success and a failure.
SELECT s.id::text, s.system, s.host, s.repo, s.branch, s.lane, s.name, s.outcome, s.state, s.optional,
    c.sha, s.place, s.at, s.edge_at AS since, s.edge_point AS first_point, s.edge_place AS first_place,
    s.before_point, s.before_place, s.count::bigint AS count, c.url, c.log_url, f.results, f.flaky
FROM (
    SELECT * FROM series_standing AS k
    WHERE k.outcome = 'bad'
        AND ($1::text IS NULL OR k.system = $1)
        AND ($2::text IS NULL OR k.repo = $2)
        AND ($3::text IS NULL OR k.branch = $3)
        AND ($4::text IS NULL OR k.lane = $4)
        AND ($5::text IS NULL OR strpos(lower(k.name COLLATE "default"), lower($5)) > 0)
        AND ($6 OR k.is_main)
        AND ($7 OR NOT k.optional)
        AND k.place > $8::timestamptz
        AND NOT k.is_deleted
        AND k.newer < $9
        AND ($11::timestamptz IS NULL OR (k.edge_at, k.id) < ($11, $12::text::uuid))
    ORDER BY k.edge_at DESC, k.id DESC
    LIMIT $10
) AS s
LEFT JOIN checks AS c ON c.system = s.system AND c.kind = s.kind AND c.key = s.key
CROSS JOIN LATERAL (
    SELECT count(*) AS results, count(*) FILTER (WHERE l.flaky) AS flaky FROM (
        SELECT r.flaky FROM series_results AS r
        WHERE r.series = s.id AND r.place > $8
        ORDER BY r.place DESC, r.point DESC
        LIMIT 100
    ) AS l
) AS f
ORDER BY s.edge_at DESC, s.id DESC
