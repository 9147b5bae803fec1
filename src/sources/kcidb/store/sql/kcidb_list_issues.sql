-- kcidb_list_issues
-- Issues that occur in the checkout $1, the build $2 or the test $3: the occurring version, and the number of
-- incidents.
SELECT n.issue_id AS id, n.issue_version AS version, i.origin, i.comment, i.report_subject, i.report_url,
    i.culprit_code, i.culprit_tool, i.culprit_harness, count(*) AS incidents
FROM kcidb_incidents AS n LEFT JOIN kcidb_issues AS i ON i.id = n.issue_id AND i.version = n.issue_version
WHERE n.present
    AND ($1::text IS NULL OR n.id IN (SELECT o.incident_id FROM kcidb_occurrences AS o WHERE o.checkout_id = $1))
    AND ($2::text IS NULL OR n.build_id = $2)
    AND ($3::text IS NULL OR n.test_id = $3)
GROUP BY n.issue_id, n.issue_version, i.id, i.version
ORDER BY incidents DESC, n.issue_id, n.issue_version
LIMIT $4
