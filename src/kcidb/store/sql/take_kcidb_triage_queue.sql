-- take_kcidb_triage_queue
DELETE FROM kcidb_triage_queue AS q
USING (SELECT kind, id FROM kcidb_triage_queue ORDER BY kind, id LIMIT $1 FOR UPDATE SKIP LOCKED) AS p
WHERE q.kind = p.kind AND q.id = p.id
RETURNING q.kind, q.id
