-- read_kcidb_incidents
SELECT
    t.id, t.origin, t.issue_id, t.issue_version, t.build_id, t.test_id, t.present, t.comment, t.misc::text
FROM unnest($1::text[]) AS i (id)
JOIN kcidb_incidents AS t ON t.id = i.id
ORDER BY t.id
