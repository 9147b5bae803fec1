-- put_kcidb_triage_queue
-- Queues objects only if an expression is stored: without expressions no process empties the queue.
INSERT INTO kcidb_triage_queue AS t (kind, id)
SELECT i.kind, i.id
FROM unnest($1::text[], $2::text[]) AS i (kind, id)
WHERE EXISTS (SELECT FROM kcidb_issue_regexes)
ORDER BY i.kind, i.id
ON CONFLICT (kind, id) DO UPDATE SET revision = t.revision + 1
WHERE t.revision >= 0
