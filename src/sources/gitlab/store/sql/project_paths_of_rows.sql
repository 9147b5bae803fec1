-- project_paths_of_rows
-- The paths under which rows of these projects are stored, and the latest time of a row under each. Old rows have no
-- host; an old row with a URL on another host is of another project.
SELECT i.host, i.project_id, k.path, max(k.said_at) AS said_at
FROM unnest($1::text[], $2::bigint[]) AS i (host, project_id)
CROSS JOIN LATERAL (
    SELECT m.project AS path, coalesce(m.heard_at, m.version_at) AS said_at
    FROM gitlab_merge_requests AS m
    WHERE m.project_id = i.project_id AND coalesce(m.host, host_of(m.url), i.host) = i.host
    UNION ALL
    SELECT p.repo, p.committed_at
    FROM gitlab_pushes AS p
    WHERE p.project_id = i.project_id AND coalesce(p.host, host_of(p.url), i.host) = i.host
        AND (p.message_at IS NULL OR p.committed_at <= p.message_at + interval '1 hour')
) AS k
GROUP BY i.host, i.project_id, k.path
ORDER BY i.host, i.project_id, k.path
