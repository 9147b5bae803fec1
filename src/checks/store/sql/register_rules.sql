-- register_rules
-- Registers a document of rules; an unchanged one keeps its revision.
INSERT INTO verdict_rules AS t (one, revision, document)
SELECT true, 1, $1
ORDER BY 1
ON CONFLICT (one) DO UPDATE SET revision = t.revision + 1, document = excluded.document, registered_at = now()
WHERE t.document <> excluded.document
RETURNING t.revision
