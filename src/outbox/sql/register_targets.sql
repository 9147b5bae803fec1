-- register_targets
-- Registers targets with their rules. A registered target keeps its time of registration; a disabled one starts anew.
-- Unchanged rows are written once an hour only.
INSERT INTO delivery_targets AS t (name, rules, max_age_s, deployment, registered_at, seen_at)
SELECT i.name, i.rules, i.max_age_s, i.deployment, i.registered_at, i.seen_at
FROM (
    SELECT unnest($1::text[]) AS name, unnest($2::json[]) AS rules, unnest($3::bigint[]) AS max_age_s,
        unnest($4::text[]) AS deployment, unnest($5::timestamptz[]) AS registered_at,
        unnest($6::timestamptz[]) AS seen_at
) AS i
ORDER BY i.name
ON CONFLICT (name) DO UPDATE SET
    rules = excluded.rules,
    max_age_s = excluded.max_age_s,
    deployment = excluded.deployment,
    registered_at = CASE WHEN t.disabled_at IS NULL THEN coalesce(t.registered_at, excluded.registered_at)
        ELSE excluded.registered_at END,
    seen_at = excluded.seen_at,
    disabled_at = NULL
WHERE t.rules::text IS DISTINCT FROM excluded.rules::text OR t.max_age_s IS DISTINCT FROM excluded.max_age_s
    OR t.deployment IS DISTINCT FROM excluded.deployment OR t.disabled_at IS NOT NULL OR t.seen_at IS NULL
    OR t.seen_at < now() - interval '1 hour'
