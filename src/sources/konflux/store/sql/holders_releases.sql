-- holders_releases
-- The objects that have these names. The upsert before has locked the rows, so the result is valid until the commit.
SELECT name, uid FROM releases WHERE name = ANY($1::text[])
