-- explain_travis_job
SELECT 'job' AS part, t.message_at AS at, concat_ws(', ', t.state, 'attempt ' || t.attempt) AS what,
    to_jsonb(t) AS "row"
FROM travis_jobs AS t WHERE t.id = CASE WHEN $1::text ~ '^[0-9]{1,18}$' THEN $1::bigint END
UNION ALL
SELECT 'earlier run', v.message_at, concat_ws(' ', v.number, v.state), to_jsonb(v)
FROM travis_job_versions AS v WHERE v.job_id = CASE WHEN $1 ~ '^[0-9]{1,18}$' THEN $1::bigint END
UNION ALL
SELECT 'travis build', b.message_at, concat_ws(' ', b.id, b.state), to_jsonb(b)
FROM travis_jobs AS j JOIN travis_builds AS b ON b.id = j.build_id
WHERE j.id = CASE WHEN $1 ~ '^[0-9]{1,18}$' THEN $1::bigint END
UNION ALL
SELECT 'to be started', NULL, q.job_id::text, to_jsonb(q) FROM travis_queueable_jobs AS q
WHERE q.job_id = CASE WHEN $1 ~ '^[0-9]{1,18}$' THEN $1::bigint END
UNION ALL
SELECT 'waits for its build', p.message_at, p.event, to_jsonb(p)
FROM travis_pending AS p WHERE p.object = 'job' AND p.object_id = CASE WHEN $1 ~ '^[0-9]{1,18}$' THEN $1::bigint END
