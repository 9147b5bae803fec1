-- rekey_mr_versions
-- Changes the path of heads. This runs before rekey_merge_requests, because it finds the heads by their merge requests.
UPDATE gitlab_mr_versions AS t SET project = i.to_path
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[]) AS i (host, project_id, from_path, to_path)
JOIN gitlab_merge_requests AS m ON m.project = i.from_path AND coalesce(m.project_id, i.project_id) = i.project_id
    AND coalesce(m.host, host_of(m.url), i.host) = i.host
WHERE t.project = m.project AND t.iid = m.iid
