-- holders_components
-- Who holds these names now. The rows were locked by the upsert before, so it stays so until the commit.
SELECT name, uid FROM components WHERE name = ANY($1::text[])
