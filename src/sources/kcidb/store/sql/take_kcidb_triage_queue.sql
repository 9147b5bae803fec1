-- take_kcidb_triage_queue
-- Keeps objects that were queued again after they were read: they may have changed.
DELETE FROM kcidb_triage_queue AS q
USING (
    SELECT q.kind, q.id, q.revision
    FROM unnest($1::text[], $2::text[], $3::bigint[]) AS i (kind, id, revision)
    JOIN kcidb_triage_queue AS q ON q.kind = i.kind AND q.id = i.id AND q.revision = i.revision
    ORDER BY q.kind, q.id FOR UPDATE OF q
) AS p
WHERE q.kind = p.kind AND q.id = p.id AND q.revision = p.revision
RETURNING q.kind, q.id
