-- list_series
-- How series stand: those that began to stand so last come first. Left out are those of deleted branches, those whose
-- newest result is older than $9, and those after whose newest result $10 commits had checks of other names only.
-- results, flaky: the last 100 results since $9, and how many of them have both a success and a failure.
SELECT s.id::text, s.system, s.host, s.repo, s.branch, s.lane, s.name, s.outcome, s.state, s.optional,
    c.sha, s.place, s.at, s.edge_at AS since, s.edge_point AS first_point, s.edge_place AS first_place,
    s.before_point, s.before_place, s.count::bigint AS count, c.url, c.log_url, f.results, f.flaky
FROM (
    SELECT * FROM series_standing AS k
    WHERE ($1::text IS NULL OR k.outcome = $1)
        AND ($2::text IS NULL OR k.system = $2)
        AND ($3::text IS NULL OR k.repo = $3)
        AND ($4::text IS NULL OR k.branch = $4)
        AND ($5::text IS NULL OR k.lane = $5)
        AND ($6::text IS NULL OR strpos(lower(k.name COLLATE "default"), lower($6)) > 0)
        AND ($7 OR k.is_main)
        AND ($8 OR NOT k.optional)
        AND k.place > $9::timestamptz
        AND NOT k.is_deleted
        AND k.newer < $10
        AND ($11::timestamptz IS NULL OR (coalesce(k.edge_at, '-infinity'), k.id) < ($11, $12::text::uuid))
    ORDER BY coalesce(k.edge_at, '-infinity') DESC, k.id DESC
    LIMIT $13
) AS s
LEFT JOIN checks AS c ON c.system = s.system AND c.kind = s.kind AND c.key = s.key
CROSS JOIN LATERAL (
    SELECT count(*) AS results, count(*) FILTER (WHERE l.flaky) AS flaky FROM (
        SELECT r.flaky FROM series_results AS r
        WHERE r.series = s.id AND r.place > $9
        ORDER BY r.place DESC, r.point DESC
        LIMIT 100
    ) AS l
) AS f
ORDER BY coalesce(s.edge_at, '-infinity') DESC, s.id DESC
