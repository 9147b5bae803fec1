-- kcidb_checkouts_of_builds
-- The checkouts of builds, also those that are not stored.
SELECT DISTINCT b.checkout_id AS id FROM kcidb_builds AS b WHERE b.id = ANY ($1::text[]) ORDER BY b.checkout_id
