-- count_merge_requests
-- Of one project or of all: by state, and of those that are open how many are drafts, and stale.
SELECT count(*) FILTER (WHERE m.state IN ('opened', 'locked')) AS opened,
    count(*) FILTER (WHERE m.state = 'merged') AS merged,
    count(*) FILTER (WHERE m.state = 'closed') AS closed,
    count(*) FILTER (WHERE m.state IN ('opened', 'locked') AND m.draft) AS drafts,
    count(*) FILTER (WHERE m.state IN ('opened', 'locked') AND m.version_at < $2::timestamptz) AS stale,
    max(m.message_at) AS newest
FROM gitlab_merge_requests AS m
WHERE m.deleted_at IS NULL AND ($1::text IS NULL OR m.project = $1)
