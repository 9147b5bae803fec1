-- list_travis_builds_oldest
-- Oldest change first, after the build with the time $5, system $6 and id $7 in the list of the builds of all systems,
-- if given. The text has no index: it is searched for in the first 10,000 rows that match the other conditions.
SELECT b.id, b.repository_id, b.repository, b.number, b.state, b.previous_state, b.event_type,
    b.branch, b.commit ->> 'sha' AS sha, split_part(b.commit ->> 'message', E'\n', 1) AS title,
    b.pull_request ->> 'number' AS pull_request, b.duration, b.created_at, b.started_at, b.finished_at, b.canceled_at,
    b.restarted_at, b.message_id, b.message_at
FROM (
    SELECT k.*, r.owner_name || '/' || r.name AS repository
    FROM travis_builds AS k LEFT JOIN travis_repositories AS r ON r.id = k.repository_id
    WHERE ($1::text[] IS NULL OR k.state = ANY ($1))
        AND ($2::text IS NULL OR r.owner_name || '/' || r.name = $2)
        AND ($3::text IS NULL OR k.branch = $3)
        AND ($5::timestamptz IS NULL OR (k.message_at, 'travis', k.id) > ($5, $6::text, $7::bigint))
    ORDER BY k.message_at, k.id
    LIMIT CASE WHEN $4::text IS NULL THEN $8::bigint ELSE 10000 END
) AS b
WHERE $4 IS NULL OR strpos(
    lower(concat_ws(
        ' ', b.repository || '#' || b.number, b.branch, b.commit ->> 'sha', b.commit ->> 'message'
    ) COLLATE "default"),
    lower($4)) > 0
ORDER BY b.message_at, b.id
LIMIT $8
