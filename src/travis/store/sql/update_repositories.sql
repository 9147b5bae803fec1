-- update_repositories
-- last_build_* are those of one build, the newest that has begun or ended, and never go back to an older one. The current
-- build is the newest that has begun, unless a newer one has begun or ended that nobody saw begin.
UPDATE travis_repositories AS t SET
    last_build_id = CASE WHEN i.last_build_id >= coalesce(t.last_build_id, 0) THEN i.last_build_id ELSE t.last_build_id END,
    last_build_number = CASE WHEN i.last_build_id >= coalesce(t.last_build_id, 0) THEN i.last_build_number ELSE t.last_build_number END,
    last_build_state = CASE WHEN i.last_build_id >= coalesce(t.last_build_id, 0) THEN i.last_build_state ELSE t.last_build_state END,
    last_build_duration = CASE WHEN i.last_build_id >= coalesce(t.last_build_id, 0) THEN i.last_build_duration ELSE t.last_build_duration END,
    last_build_started_at = CASE WHEN i.last_build_id >= coalesce(t.last_build_id, 0) THEN i.last_build_started_at ELSE t.last_build_started_at END,
    last_build_finished_at = CASE WHEN i.last_build_id >= coalesce(t.last_build_id, 0) THEN i.last_build_finished_at ELSE t.last_build_finished_at END,
    current_build_id = CASE
        WHEN i.current_build_id >= coalesce(t.current_build_id, 0) AND NOT EXISTS (
            SELECT FROM travis_builds AS n
            WHERE n.repository_id = t.id AND n.id > i.current_build_id
                AND n.state IN ('started', 'passed', 'failed', 'errored', 'canceled'))
        THEN i.current_build_id ELSE t.current_build_id END,
    updated_at = now()
FROM unnest(
    $1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::integer[], $6::timestamptz[], $7::timestamptz[], $8::bigint[]
) AS i (
    id, last_build_id, last_build_number, last_build_state, last_build_duration, last_build_started_at,
    last_build_finished_at, current_build_id
)
WHERE t.id = i.id
RETURNING t.id
