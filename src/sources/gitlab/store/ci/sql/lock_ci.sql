-- lock_ci
-- Exclusive locks of projects, by their numbers, until the end of the transaction: checks of pipelines and jobs are
-- functions of several rows of their project, and no other transaction changes any of these meanwhile.
SELECT pg_advisory_xact_lock(k.key)
FROM (
    SELECT DISTINCT hashtextextended('hummingbird-status gitlab ci ' || i.project_id, 0) AS key
    FROM unnest($1::bigint[]) AS i (project_id)
    ORDER BY key
    OFFSET 0
) AS k
