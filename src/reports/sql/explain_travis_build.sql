-- explain_travis_build
SELECT 'travis build' AS part, t.message_at AS at, t.state AS what, to_jsonb(t) AS "row"
FROM travis_builds AS t WHERE t.id = CASE WHEN $1::text ~ '^[0-9]{1,18}$' THEN $1::bigint END
UNION ALL
SELECT 'repository', r.message_at, concat_ws('/', r.owner_name, r.name), to_jsonb(r)
FROM travis_builds AS b JOIN travis_repositories AS r ON r.id = b.repository_id
WHERE b.id = CASE WHEN $1 ~ '^[0-9]{1,18}$' THEN $1::bigint END
UNION ALL
SELECT 'stage', s.message_at, concat_ws(' ', s.id, s.name, s.state), to_jsonb(s) FROM travis_stages AS s
WHERE s.build_id = CASE WHEN $1 ~ '^[0-9]{1,18}$' THEN $1::bigint END
UNION ALL
SELECT 'job', j.message_at, concat_ws(' ', j.id, j.number, j.state, CASE WHEN j.allow_failure THEN 'may fail' END),
    to_jsonb(j)
FROM travis_jobs AS j WHERE j.build_id = CASE WHEN $1 ~ '^[0-9]{1,18}$' THEN $1::bigint END
UNION ALL
SELECT 'to be started', NULL, q.job_id::text, to_jsonb(q) FROM travis_queueable_jobs AS q
WHERE q.build_id = CASE WHEN $1 ~ '^[0-9]{1,18}$' THEN $1::bigint END
UNION ALL
SELECT 'waits for its build', p.message_at, p.event, to_jsonb(p)
FROM travis_pending AS p WHERE p.object = 'build' AND p.object_id = CASE WHEN $1 ~ '^[0-9]{1,18}$' THEN $1::bigint END
