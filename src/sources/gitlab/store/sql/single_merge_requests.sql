-- single_merge_requests
-- Earlier releases stored a merge request under each path that its project had. Keeps the newest of these rows, by the
-- version of upsert_merge_requests, and deletes the outdated ones.
WITH ranked AS (
    SELECT t.project, t.iid, row_number() OVER (
        PARTITION BY i.to_path, t.iid
        ORDER BY t.state_rank = 3 DESC, t.version_at DESC, t.place DESC, t.state_rank DESC, t.told DESC, t.content DESC,
            t.message_at, t.message_id, t.project
    ) AS number
    FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[]) AS i (host, project_id, from_path, to_path)
    JOIN gitlab_merge_requests AS t ON t.project = i.from_path AND coalesce(t.project_id, i.project_id) = i.project_id
        AND coalesce(t.host, host_of(t.url), i.host) = i.host
)
DELETE FROM gitlab_merge_requests AS t USING ranked AS r WHERE r.number > 1 AND t.project = r.project AND t.iid = r.iid
