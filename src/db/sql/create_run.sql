-- create_run
INSERT INTO backfill_runs (id, parameters, state, counts)
SELECT $1::text, $2::text::jsonb, 'running', $3::text::jsonb
ORDER BY 1
ON CONFLICT (id) DO NOTHING
