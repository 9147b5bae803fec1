-- upsert_repositories
-- Version guard: all columns are those of the newest build, by id; a build that names its repository counts as newer
-- than one that does not. A redelivered build changes nothing (idempotent).
INSERT INTO travis_repositories AS t (id, owner_name, name, private, url, message_id, message_at, named_by)
SELECT i.id, i.owner_name, i.name, i.private, i.url, i.message_id, i.message_at, i.named_by
FROM (
    SELECT unnest($1::bigint[]) AS id, unnest($2::text[]) AS owner_name, unnest($3::text[]) AS name,
        unnest($4::boolean[]) AS private, unnest($5::text[]) AS url, unnest($6::text[]) AS message_id,
        unnest($7::timestamptz[]) AS message_at, unnest($8::bigint[]) AS named_by
) AS i
ORDER BY i.id
ON CONFLICT (id) DO UPDATE SET
    owner_name = excluded.owner_name, name = excluded.name, private = excluded.private, url = excluded.url,
    message_id = excluded.message_id, message_at = excluded.message_at, named_by = excluded.named_by,
    updated_at = now()
WHERE (t.owner_name IS NOT NULL, coalesce(t.named_by, 0))
    < (excluded.owner_name IS NOT NULL, coalesce(excluded.named_by, 0))
RETURNING t.id, t.owner_name, t.name, t.url
