-- settle_results
-- Writes the results of series for commits, or for checks without a commit: of the newest check with a result. Those
-- from before the deletion of their branch are left out. The series and the commits are locked. $10: states of success,
-- $11: states of failure.
WITH points AS MATERIALIZED (
    SELECT unnest($1::text[])::uuid AS series, unnest($2::text[]) AS point, unnest($3::text[]) AS system,
        unnest($4::text[]) AS host, unnest($5::text[]) AS repo, unnest($6::text[]) AS branch,
        unnest($7::text[]) AS lane, unnest($8::text[]) AS name, unnest($9::text[]) AS kind
),
asked AS MATERIALIZED (
    SELECT p.*, coalesce(d.deleted_at, '-infinity') AS deleted_at
    FROM points AS p
    LEFT JOIN LATERAL (
        SELECT max(b.deleted_at) AS deleted_at FROM branch_deletions AS b WHERE b.repo = p.repo AND b.branch = p.branch
    ) AS d ON true
),
-- All checks of each commit, once: a commit can have many.
of_commits AS MATERIALIZED (
    SELECT c.system, c.host, c.repo, coalesce(c.branch, '') AS branch, c.lane, c.name, c.sha, c.kind, c.key, c.state,
        c.optional, c.ever_bad, c.seq, c.attempt, c.run, coalesce(c.finished_at, c.changed_at) AS at
    FROM (SELECT DISTINCT p.point, p.repo FROM points AS p WHERE p.kind IS NULL) AS i
    JOIN checks AS c ON c.sha = i.point AND c.repo = i.repo
        AND (c.state = ANY ($10::text[]) OR c.state = ANY ($11::text[]))
),
found AS MATERIALIZED (
    SELECT p.series, p.point, c.kind, c.key, c.state, c.optional, c.state = ANY ($10) AS is_ok, c.at, l.place,
        row_number() OVER newest AS number,
        bool_or(c.state = ANY ($10)) OVER every
            AND bool_or(c.state = ANY ($11) OR coalesce(c.ever_bad, false)) OVER every AS flaky
    FROM asked AS p
    JOIN commit_places AS l ON l.repo = p.repo AND l.branch = p.branch AND l.sha = p.point AND l.place > p.deleted_at
    JOIN of_commits AS c ON c.sha = p.point AND c.repo = p.repo AND c.system = p.system AND c.name = p.name
        AND c.lane = p.lane AND c.host = p.host AND (p.lane = 'tag' OR c.branch = p.branch)
    WHERE p.kind IS NULL
    WINDOW every AS (PARTITION BY p.series, p.point),
        newest AS (PARTITION BY p.series, p.point
            ORDER BY c.seq DESC, c.attempt DESC, c.run DESC, c.kind DESC, c.key DESC)
    UNION ALL
    SELECT p.series, p.point, c.kind, c.key, c.state, c.optional, c.state = ANY ($10),
        coalesce(c.finished_at, c.changed_at), c.created_at, 1, c.state = ANY ($10) AND coalesce(c.ever_bad, false)
    FROM asked AS p
    JOIN checks AS c ON c.system = p.system AND c.kind = p.kind AND c.key = p.point AND c.sha IS NULL
        AND c.name = p.name AND c.lane = p.lane AND c.host = p.host AND c.repo = p.repo
        AND (p.lane = 'tag' OR coalesce(c.branch, '') = p.branch)
        AND (c.state = ANY ($10) OR c.state = ANY ($11)) AND c.created_at > p.deleted_at
),
gone AS (
    DELETE FROM series_results AS t USING points AS p
    WHERE t.series = p.series AND t.point = p.point
        AND NOT EXISTS (SELECT FROM found AS f WHERE f.series = p.series AND f.point = p.point)
)
INSERT INTO series_results AS t (series, point, place, kind, key, state, outcome, optional, flaky, at)
SELECT f.series, f.point, f.place, f.kind, f.key, f.state, CASE WHEN f.is_ok THEN 'ok' ELSE 'bad' END AS outcome,
    f.optional, f.flaky, f.at
FROM found AS f
WHERE f.number = 1
ORDER BY f.series, f.point
ON CONFLICT (series, point) DO UPDATE SET
    place = excluded.place, kind = excluded.kind, key = excluded.key, state = excluded.state,
    outcome = excluded.outcome, optional = excluded.optional, flaky = excluded.flaky, at = excluded.at
WHERE (t.place, t.kind, t.key, t.state, t.outcome, t.optional, t.flaky, t.at)
    IS DISTINCT FROM (excluded.place, excluded.kind, excluded.key, excluded.state, excluded.outcome,
        excluded.optional, excluded.flaky, excluded.at)
RETURNING t.series::text, t.point
