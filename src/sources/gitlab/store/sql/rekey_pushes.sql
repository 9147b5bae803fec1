-- rekey_pushes
-- As rekey_merge_requests.
UPDATE gitlab_pushes AS t SET repo = i.to_path, host = nullif(i.host, '?'), project_id = i.project_id
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[]) AS i (host, project_id, from_path, to_path)
WHERE t.repo = i.from_path AND coalesce(t.project_id, i.project_id) = i.project_id
    AND coalesce(t.host, host_of(t.url), i.host) = i.host
RETURNING t.sha, t.repo, i.from_path, t.ref
