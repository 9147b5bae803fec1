-- list_components
-- Components by name, after one if given, each with its newest build of a push to its branch, that build's snapshot and
-- its newest release.
SELECT c.name, c.application, c.git_project, c.git_context, c.git_revision, c.last_built_commit,
    b.name AS build, b.state AS build_state, b.sha AS build_sha, b.finished_at AS built_at,
    s.name AS snapshot, s.test_state, s.release_state,
    r.name AS release, r.state AS released, r.finished_at AS released_at
FROM (
    SELECT * FROM components AS a
    WHERE a.deleted_at IS NULL
        AND ($1::text IS NULL OR a.application = $1)
        AND ($2::text IS NULL OR strpos(
            lower(concat_ws(' ', a.name, a.git_project, a.git_context) COLLATE "default"), lower($2)) > 0)
        AND ($3::text IS NULL OR a.name > $3)
    ORDER BY a.name
    LIMIT $4
) AS c
LEFT JOIN LATERAL (
    SELECT p.name, p.state, p.sha, p.finished_at FROM pipelineruns AS p
    WHERE p.component = c.name AND p.type = 'build'
        AND counts_for(p.event, p.mr_iid, p.target_branch, c.git_revision)
    ORDER BY p.created_at DESC LIMIT 1
) AS b ON true
LEFT JOIN LATERAL (
    SELECT n.name, n.test_state, n.release_state FROM snapshots AS n
    WHERE n.source_plr = b.name AND n.source_plr IS NOT NULL
    ORDER BY n.created_at DESC LIMIT 1
) AS s ON true
LEFT JOIN LATERAL (
    SELECT l.name, l.state, l.finished_at FROM releases AS l
    WHERE l.snapshot = s.name
    ORDER BY l.created_at DESC LIMIT 1
) AS r ON true
ORDER BY c.name
