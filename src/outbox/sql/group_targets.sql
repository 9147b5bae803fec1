-- group_targets
-- The deployments that targets of these names belong to, with all their targets locked in order: the first one is theirs. Where
-- there is none, a new one. `since`: a target receives what happens from now on; the very first ones of a database also what has
-- happened within the last hour, as it is not known which process began first.
WITH locked AS MATERIALIZED (
    SELECT t.name, t.deployment, t.disabled_at FROM delivery_targets AS t ORDER BY t.name FOR UPDATE
), groups AS MATERIALIZED (
    SELECT DISTINCT l.deployment FROM locked AS l
    WHERE l.name = ANY ($1::text[]) AND l.deployment IS NOT NULL AND l.disabled_at IS NULL
)
SELECT coalesce((SELECT array_agg(g.deployment ORDER BY g.deployment) FROM groups AS g), ARRAY[gen_random_uuid()::text]) AS deployments,
    now() AS now,
    now() - CASE WHEN EXISTS (SELECT FROM delivery_registry) THEN interval '0' ELSE interval '1 hour' END AS since
