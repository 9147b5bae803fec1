-- insert_stages
-- Stages of new builds.
INSERT INTO travis_stages (id, build_id, number, name, state, message_id, message_at)
SELECT i.id, i.build_id, i.number, i.name, i.state, i.message_id, i.message_at
FROM unnest($1::bigint[], $2::bigint[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::timestamptz[])
    AS i (id, build_id, number, name, state, message_id, message_at)
ORDER BY i.id
ON CONFLICT (id) DO NOTHING
RETURNING id
