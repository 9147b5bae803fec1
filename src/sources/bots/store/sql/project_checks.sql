-- project_checks
-- What the checks of bots are made of. The rows are locked.
SELECT b.name, b.status, b.updated_at FROM bots AS b WHERE b.name = ANY ($1::text[]) ORDER BY b.name
