-- group_targets
-- The deployments that targets of these names belong to, with all their targets locked in order; the first deployment
-- becomes that of all of them, or a new one if there is none. `since`: a target receives events from now on; the first
-- targets of a database also those of the last hour, since it is not known which process started first.
WITH locked AS MATERIALIZED (
    SELECT t.name, t.deployment, t.disabled_at FROM delivery_targets AS t ORDER BY t.name FOR UPDATE
), groups AS MATERIALIZED (
    SELECT DISTINCT l.deployment FROM locked AS l
    WHERE l.name = ANY ($1::text[]) AND l.deployment IS NOT NULL AND l.disabled_at IS NULL
)
SELECT
    coalesce((SELECT array_agg(g.deployment ORDER BY g.deployment) FROM groups AS g), ARRAY[gen_random_uuid()::text])
        AS deployments,
    now() AS now,
    now() - CASE WHEN EXISTS (SELECT FROM delivery_registry) THEN interval '0' ELSE interval '1 hour' END AS since
