-- disable_targets
-- Targets of these deployments that are no longer in the document.
UPDATE delivery_targets AS t SET disabled_at = now()
WHERE t.disabled_at IS NULL AND t.deployment = ANY ($1::text[]) AND t.name <> ALL ($2::text[])
RETURNING t.name
