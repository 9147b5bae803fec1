-- read_kcidb_triage_queue
SELECT kind, id, revision FROM kcidb_triage_queue ORDER BY kind, id LIMIT $1
