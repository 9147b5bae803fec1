-- restore_mr_versions
-- Moves the rows of projects back from the table `replaced`, under their own keys ($1).
WITH kept AS (
    DELETE FROM replaced AS r USING unnest($1::text[]) AS i (own)
    WHERE r.kind = 'gitlab_mr_versions' AND starts_with(r.uid, i.own || '!')
    RETURNING r."row" || jsonb_build_object('project', i.own) AS object
)
INSERT INTO gitlab_mr_versions (project, iid, sha, head_at, head_message_at, head_message_id, seen_at, seen_message_at,
    seen_message_id)
SELECT p.project, p.iid, p.sha, p.head_at, p.head_message_at, p.head_message_id, p.seen_at, p.seen_message_at,
    p.seen_message_id
FROM kept AS k CROSS JOIN LATERAL jsonb_populate_record(NULL::gitlab_mr_versions, k.object) AS p
