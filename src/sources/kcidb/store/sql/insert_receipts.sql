-- insert_receipts
INSERT INTO kcidb_receipts (id, submitter, objects)
SELECT i.id, i.submitter, i.objects
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS i (id, submitter, objects)
ORDER BY i.id
ON CONFLICT (id) DO NOTHING
