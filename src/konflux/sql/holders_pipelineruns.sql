-- holders_pipelineruns
-- Who holds these names now. The rows were locked by the upsert before, so it stays so until the commit.
SELECT name, uid FROM pipelineruns WHERE name = ANY($1::text[])
