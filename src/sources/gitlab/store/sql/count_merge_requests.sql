-- count_merge_requests
-- Numbers of merge requests of one project or of all: by state, and of the open ones how many are drafts and how many
-- are without a change since $2. The newest message is of all projects, in the order of the list. Each part has an
-- index (0001, 0010, 0011), so that no row of a closed merge request is read.
SELECT o.opened, o.drafts, o.stale,
    (SELECT count(*) FROM gitlab_merge_requests AS m
        WHERE m.deleted_at IS NULL AND m.state = 'merged' AND ($1::text IS NULL OR m.project = $1)) AS merged,
    (SELECT count(*) FROM gitlab_merge_requests AS m
        WHERE m.deleted_at IS NULL AND m.state = 'closed' AND ($1::text IS NULL OR m.project = $1)) AS closed,
    (SELECT m.message_at FROM gitlab_merge_requests AS m
        ORDER BY m.version_at DESC, m.project DESC, m.iid DESC LIMIT 1) AS newest
FROM (
    SELECT count(*) AS opened, count(*) FILTER (WHERE m.draft) AS drafts,
        count(*) FILTER (WHERE m.version_at < $2::timestamptz) AS stale
    FROM gitlab_merge_requests AS m
    WHERE m.deleted_at IS NULL AND m.state IN ('opened', 'locked') AND ($1::text IS NULL OR m.project = $1)
) AS o
