-- kcidb_find_progress
SELECT p.builds, p.builds_running, p.builds_unplanned, p.tests_running, p.untriaged
FROM kcidb_progress AS p
WHERE p.id = $1
