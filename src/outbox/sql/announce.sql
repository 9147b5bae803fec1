-- announce
-- Events in the order given. With COPY, because they are many and large.
COPY outbox (id, family, event, key, attributes, payload, texts, message_at, note, routed_at) FROM STDIN (FORMAT binary)
