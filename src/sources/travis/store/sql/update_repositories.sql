-- update_repositories
-- Version guard: last_build_* are the values of one build, the newest that has started or ended, and are never
-- replaced by those of an older one. The current build is the newest whose start was reported; it is not replaced by a
-- build that is older than another one that has started or ended.
UPDATE travis_repositories AS t SET
    last_build_id = CASE
        WHEN i.last_build_id >= coalesce(t.last_build_id, 0) THEN i.last_build_id
        ELSE t.last_build_id END,
    last_build_number = CASE
        WHEN i.last_build_id >= coalesce(t.last_build_id, 0) THEN i.last_build_number
        ELSE t.last_build_number END,
    last_build_state = CASE
        WHEN i.last_build_id >= coalesce(t.last_build_id, 0) THEN i.last_build_state
        ELSE t.last_build_state END,
    last_build_duration = CASE
        WHEN i.last_build_id >= coalesce(t.last_build_id, 0) THEN i.last_build_duration
        ELSE t.last_build_duration END,
    last_build_started_at = CASE
        WHEN i.last_build_id >= coalesce(t.last_build_id, 0) THEN i.last_build_started_at
        ELSE t.last_build_started_at END,
    last_build_finished_at = CASE
        WHEN i.last_build_id >= coalesce(t.last_build_id, 0) THEN i.last_build_finished_at
        ELSE t.last_build_finished_at END,
    current_build_id = CASE
        WHEN i.current_build_id >= coalesce(t.current_build_id, 0) AND NOT EXISTS (
            SELECT FROM travis_builds AS n
            WHERE n.repository_id = t.id AND n.id > i.current_build_id
                AND n.state IN ('started', 'passed', 'failed', 'errored', 'canceled'))
        THEN i.current_build_id ELSE t.current_build_id END,
    updated_at = now()
FROM (
    SELECT unnest($1::bigint[]) AS id, unnest($2::bigint[]) AS last_build_id, unnest($3::text[]) AS last_build_number,
        unnest($4::text[]) AS last_build_state, unnest($5::integer[]) AS last_build_duration,
        unnest($6::timestamptz[]) AS last_build_started_at, unnest($7::timestamptz[]) AS last_build_finished_at,
        unnest($8::bigint[]) AS current_build_id
) AS i
WHERE t.id = i.id
RETURNING t.id
