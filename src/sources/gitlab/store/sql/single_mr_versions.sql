-- single_mr_versions
-- As single_merge_requests. Keeps the row with the latest time at which the commit became the head.
WITH ranked AS (
    SELECT t.project, t.iid, t.sha, row_number() OVER (
        PARTITION BY i.to_path, t.iid, t.sha ORDER BY t.head_at DESC NULLS LAST, t.seen_at DESC, t.project
    ) AS number
    FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[]) AS i (host, project_id, from_path, to_path)
    JOIN gitlab_merge_requests AS m ON m.project = i.from_path AND coalesce(m.project_id, i.project_id) = i.project_id
        AND coalesce(m.host, host_of(m.url), i.host) = i.host
    JOIN gitlab_mr_versions AS t ON t.project = m.project AND t.iid = m.iid
)
DELETE FROM gitlab_mr_versions AS t USING ranked AS r
WHERE r.number > 1 AND t.project = r.project AND t.iid = r.iid AND t.sha = r.sha
