-- set_aside_kcidb_issue_regexes
-- Skips expressions that were changed since they were read.
UPDATE kcidb_issue_regexes AS t SET set_aside = i.set_aside
FROM unnest($1::text[], $2::text[], $3::text[]) AS i (id, message_id, set_aside)
WHERE t.id = i.id AND t.message_id = i.message_id AND t.set_aside IS DISTINCT FROM i.set_aside
RETURNING t.id
