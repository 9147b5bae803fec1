-- take_event_ids
-- Ids for a number of events, in their order, and the time of the transaction.
SELECT nextval('outbox_id_seq') AS id, now() AS now FROM generate_series(1, $1::bigint)
