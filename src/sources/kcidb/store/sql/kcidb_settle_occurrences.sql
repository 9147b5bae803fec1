-- kcidb_settle_occurrences
-- Updates in which checkouts issues occur, and returns the checkouts where that has changed. Given are the changed
-- tests $1, builds $2 and incidents $3, and the builds $4 and checkouts $5 that are new or have a new parent.
WITH affected AS (
    SELECT n.id FROM kcidb_incidents AS n WHERE n.id = ANY ($3::text[])
    UNION SELECT n.id FROM kcidb_incidents AS n WHERE n.test_id = ANY ($1::text[])
    UNION SELECT n.id FROM kcidb_incidents AS n WHERE n.build_id = ANY ($2::text[])
    UNION SELECT n.id FROM kcidb_tests AS t JOIN kcidb_incidents AS n ON n.test_id = t.id
        WHERE t.build_id = ANY ($4::text[])
    UNION SELECT n.id FROM kcidb_builds AS b JOIN kcidb_incidents AS n ON n.build_id = b.id
        WHERE b.checkout_id = ANY ($5::text[])
    UNION SELECT n.id FROM kcidb_builds AS b JOIN kcidb_tests AS t ON t.build_id = b.id
        JOIN kcidb_incidents AS n ON n.test_id = t.id
        WHERE b.checkout_id = ANY ($5::text[])
), occurs AS (
    SELECT n.id AS incident_id, b.checkout_id
    FROM affected JOIN kcidb_incidents AS n USING (id) JOIN kcidb_builds AS b ON b.id = n.build_id
    JOIN kcidb_checkouts AS c ON c.id = b.checkout_id
    WHERE n.present
    UNION
    SELECT n.id, b.checkout_id
    FROM affected JOIN kcidb_incidents AS n USING (id) JOIN kcidb_tests AS t ON t.id = n.test_id
    JOIN kcidb_builds AS b ON b.id = t.build_id JOIN kcidb_checkouts AS c ON c.id = b.checkout_id
    WHERE n.present
), removed AS (
    DELETE FROM kcidb_occurrences AS o USING affected
    WHERE o.incident_id = affected.id
        AND (o.incident_id, o.checkout_id) NOT IN (SELECT incident_id, checkout_id FROM occurs)
    RETURNING o.checkout_id
), added AS (
    INSERT INTO kcidb_occurrences (incident_id, checkout_id)
    SELECT incident_id, checkout_id FROM occurs ORDER BY incident_id, checkout_id
    ON CONFLICT (incident_id, checkout_id) DO NOTHING
    RETURNING checkout_id
)
SELECT checkout_id FROM removed UNION SELECT checkout_id FROM added ORDER BY checkout_id
