-- upsert_mr_versions
-- Two groups of columns, each with its own version guard (MrVersion::merge): head_* has the latest time, and of
-- messages with that time the earliest; seen_* has the earliest time.
INSERT INTO gitlab_mr_versions AS t (
    project, iid, sha, head_at, head_message_at, head_message_id, seen_at, seen_message_at, seen_message_id
)
SELECT
    i.project, i.iid, i.sha, i.head_at, i.head_message_at, i.head_message_id, i.seen_at, i.seen_message_at,
    i.seen_message_id
FROM (
    SELECT unnest($1::text[]) AS project, unnest($2::bigint[]) AS iid, unnest($3::text[]) AS sha,
        unnest($4::timestamptz[]) AS head_at, unnest($5::timestamptz[]) AS head_message_at,
        unnest($6::text[]) AS head_message_id, unnest($7::timestamptz[]) AS seen_at,
        unnest($8::timestamptz[]) AS seen_message_at, unnest($9::text[]) AS seen_message_id
) AS i
ORDER BY i.project, i.iid, i.sha
ON CONFLICT (project, iid, sha) DO UPDATE SET
    (head_at, head_message_at, head_message_id) = (
        SELECT h.at, h.message_at, h.message_id
        FROM (VALUES (t.head_at, t.head_message_at, t.head_message_id),
                     (excluded.head_at, excluded.head_message_at, excluded.head_message_id)
        ) AS h (at, message_at, message_id)
        ORDER BY h.at DESC NULLS LAST, h.message_at, h.message_id LIMIT 1),
    (seen_at, seen_message_at, seen_message_id) = (
        SELECT s.at, s.message_at, s.message_id
        FROM (VALUES (t.seen_at, t.seen_message_at, t.seen_message_id),
                     (excluded.seen_at, excluded.seen_message_at, excluded.seen_message_id)
        ) AS s (at, message_at, message_id)
        ORDER BY s.at, s.message_at, s.message_id LIMIT 1),
    received_at = now()
WHERE (t.seen_at, t.seen_message_at, t.seen_message_id)
        > (excluded.seen_at, excluded.seen_message_at, excluded.seen_message_id)
    OR (excluded.head_at IS NOT NULL AND (t.head_at IS NULL OR t.head_at < excluded.head_at
        OR (t.head_at = excluded.head_at
            AND (t.head_message_at, t.head_message_id) > (excluded.head_message_at, excluded.head_message_id))))
RETURNING t.project, t.iid, t.sha
