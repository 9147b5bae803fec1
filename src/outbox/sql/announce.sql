-- announce
-- Events in the order given, which their ids follow.
INSERT INTO outbox (family, event, key, attributes, payload)
SELECT i.family, i.event, i.key, i.attributes::jsonb, i.payload::jsonb
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) WITH ORDINALITY
    AS i (family, event, key, attributes, payload, number)
ORDER BY i.number
