-- mark_asked_pipelines
-- Returns the pipelines that were not known to be deleted.
WITH marked AS (
    UPDATE gitlab_pipelines AS t SET asked_at = greatest(t.asked_at, $4::timestamptz),
        deleted_at = coalesce(t.deleted_at, CASE WHEN i.is_gone THEN $4 END)
    FROM unnest($1::text[], $2::bigint[], $3::boolean[]) AS i (host, id, is_gone)
    WHERE t.host = i.host AND t.id = i.id
    RETURNING t.host, t.id, i.is_gone
)
SELECT m.host, m.id FROM marked AS m WHERE m.is_gone
