-- upsert_projects
INSERT INTO gitlab_projects AS t (host, project_id, path, said_at, rank, is_current, is_owner)
SELECT i.host, i.project_id, i.path, i.said_at, i.rank, i.is_current, i.is_owner
FROM (
    SELECT unnest($1::text[]) AS host, unnest($2::bigint[]) AS project_id, unnest($3::text[]) AS path,
        unnest($4::timestamptz[]) AS said_at, unnest($5::smallint[]) AS rank, unnest($6::boolean[]) AS is_current,
        unnest($7::boolean[]) AS is_owner
) AS i
ORDER BY i.host, i.project_id, i.path
ON CONFLICT (host, project_id, path) DO UPDATE SET
    said_at = excluded.said_at, rank = excluded.rank, is_current = excluded.is_current, is_owner = excluded.is_owner
WHERE (t.said_at, t.rank, t.is_current, t.is_owner)
    <> (excluded.said_at, excluded.rank, excluded.is_current, excluded.is_owner)
