INSERT INTO backfill_runs (id, parameters, state, cursor, counts, unreadable, error, owner, heartbeat_at, invocations, started_at, ended_at)
SELECT id, parameters, state, cursor, counts, unreadable, error, owner, heartbeat_at, invocations, started_at, ended_at
FROM jsonb_populate_recordset(NULL::backfill_runs, $json$[
{"id": "2026-03-12T10:00:00Z-1f2e", "parameters": {"bucket": "events", "prefix": "sns/"}, "state": "done", "cursor": "sns/2026/03/12/09/59/2026-03-12T09:59:59.999Z#abc12345::kubernetes::PipelineRun::x.json.gz", "counts": {"objects": 3, "unreadable": 1}, "unreadable": [{"key": "sns/2026/03/12/09/58/x", "reason": "gone"}], "invocations": 2, "started_at": "2026-03-12T10:00:00+00:00", "ended_at": "2026-03-12T10:10:00+00:00"},
{"id": "5d3f0c55-0000-4000-8000-8a3f5c1b2d4e", "parameters": {"mirror": "/data/sns-mirror"}, "state": "running", "counts": {}, "unreadable": [], "owner": "host/7/1", "heartbeat_at": "2026-03-12T11:00:01+00:00", "invocations": 1, "started_at": "2026-03-12T11:00:00+00:00"},
{"id": "failed", "parameters": {}, "state": "failed", "counts": {}, "unreadable": [], "error": "cannot list", "invocations": 1, "started_at": "2026-03-12T11:00:00+00:00", "ended_at": "2026-03-12T11:00:02+00:00"}
]$json$);
