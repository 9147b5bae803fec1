-- read_kcidb_issues
SELECT
    t.id, t.version, t.origin, t.categories::text, t.report_url, t.report_subject, t.culprit_code, t.culprit_tool,
    t.culprit_harness, t.comment, t.misc::text
FROM unnest($1::text[], $2::bigint[]) AS i (id, version)
JOIN kcidb_issues AS t ON t.id = i.id AND t.version = i.version
ORDER BY t.id, t.version
