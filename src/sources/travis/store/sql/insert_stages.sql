-- insert_stages
-- Inserts the stages of new builds.
INSERT INTO travis_stages (id, build_id, number, name, state, message_id, message_at)
SELECT i.id, i.build_id, i.number, i.name, i.state, i.message_id, i.message_at
FROM (
    SELECT unnest($1::bigint[]) AS id, unnest($2::bigint[]) AS build_id, unnest($3::integer[]) AS number,
        unnest($4::text[]) AS name, unnest($5::text[]) AS state, unnest($6::text[]) AS message_id,
        unnest($7::timestamptz[]) AS message_at
) AS i
ORDER BY i.id
ON CONFLICT (id) DO NOTHING
RETURNING id
