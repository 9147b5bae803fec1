-- list_inherited
-- Components of a project ($1, on the host $6; hosts are compared as in list_affected) and branch ($2) that a push at a
-- time ($3) does not affect, which are all except $4: each with its previous build and the test state of that. Broken
-- ones first.
SELECT c.name, c.application, b.name AS build, b.state AS build_state, b.sha AS build_sha, b.finished_at AS built_at,
    s.test_state
FROM components AS c
CROSS JOIN LATERAL (
    SELECT p.name, p.state, p.sha, p.finished_at FROM pipelineruns AS p
    WHERE p.component = c.name AND p.type = 'build' AND p.created_at < $3::timestamptz
        AND counts_for(p.event, p.mr_iid, p.target_branch, c.git_revision)
    ORDER BY p.created_at DESC LIMIT 1
) AS b
LEFT JOIN LATERAL (
    SELECT n.test_state FROM snapshots AS n
    WHERE n.source_plr = b.name
    ORDER BY n.created_at DESC LIMIT 1
) AS s ON true
WHERE c.git_project = $1 AND ($6::text IS NULL OR c.host IS NULL OR c.host = $6 OR c.git_url NOT LIKE 'http%')
    AND c.deleted_at IS NULL
    AND (coalesce(c.git_revision, '') IN ('', $2::text, 'refs/heads/' || $2::text))
    AND c.name <> ALL ($4::text[])
ORDER BY (b.state IN ('failed', 'timed_out') OR s.test_state IN ('failed', 'error')) IS TRUE DESC, c.name
LIMIT $5
