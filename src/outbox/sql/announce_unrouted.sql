-- announce_unrouted
-- Events in the order given, which their ids follow, while no target is registered. With COPY, because they are many
-- and large.
COPY outbox (family, event, key, attributes, payload, texts, message_at) FROM STDIN (FORMAT binary)
