-- announce
-- Events in the order given, which their ids follow. With COPY, because they are many and large.
COPY outbox (family, event, key, attributes, payload) FROM STDIN (FORMAT binary)
