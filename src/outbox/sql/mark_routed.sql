-- mark_routed
UPDATE outbox AS t SET routed_at = now(), note = i.note
FROM unnest($1::bigint[], $2::timestamptz[], $3::text[]) AS i (id, created_at, note)
WHERE t.id = i.id AND t.created_at = i.created_at
