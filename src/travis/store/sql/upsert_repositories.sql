-- upsert_repositories
-- What builds say about their repository, newest whole; one that names it is newer than one that does not.
INSERT INTO travis_repositories AS t (id, owner_name, name, private, url, message_id, message_at)
SELECT i.id, i.owner_name, i.name, i.private, i.url, i.message_id, i.message_at
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::boolean[], $5::text[], $6::text[], $7::timestamptz[])
    AS i (id, owner_name, name, private, url, message_id, message_at)
ORDER BY i.id
ON CONFLICT (id) DO UPDATE SET
    owner_name = excluded.owner_name, name = excluded.name, private = excluded.private, url = excluded.url,
    message_id = excluded.message_id, message_at = excluded.message_at, updated_at = now()
WHERE (t.owner_name IS NOT NULL, t.message_at, t.message_id)
    < (excluded.owner_name IS NOT NULL, excluded.message_at, excluded.message_id)
RETURNING t.id
