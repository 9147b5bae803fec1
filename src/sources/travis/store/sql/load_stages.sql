-- load_stages
SELECT id, build_id, number, name, state, started_at, finished_at, message_id, message_at
FROM travis_stages
WHERE build_id = ANY($1::bigint[])
ORDER BY id
