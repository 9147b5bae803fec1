-- single_pushes
-- As single_merge_requests. Keeps the row of the earliest message, as upsert_pushes does.
WITH ranked AS (
    SELECT t.sha, t.repo, t.ref, row_number() OVER (
        PARTITION BY i.to_path, t.sha, t.ref ORDER BY t.message_at NULLS LAST, t.message_id, t.repo
    ) AS number
    FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[]) AS i (host, project_id, from_path, to_path)
    JOIN gitlab_pushes AS t ON t.repo = i.from_path AND coalesce(t.project_id, i.project_id) = i.project_id
        AND coalesce(t.host, host_of(t.url), i.host) = i.host
)
DELETE FROM gitlab_pushes AS t USING ranked AS r
WHERE r.number > 1 AND t.sha = r.sha AND t.repo = r.repo AND t.ref = r.ref
RETURNING t.sha, t.repo, t.ref
