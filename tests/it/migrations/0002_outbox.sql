INSERT INTO outbox (family, event, key, attributes, payload, created_at)
SELECT family, event, key, attributes, payload, created_at
FROM jsonb_populate_recordset(NULL::outbox, $json$[
{"family": "travis", "event": "job:started", "key": "build/1", "attributes": {"repository": "sven/example"}, "payload": {"id": 11, "state": "started"}, "created_at": "2026-03-12T10:00:00.734+00:00"},
{"family": "travis", "event": "job:finished", "key": "build/1", "attributes": {}, "payload": {"id": 11, "state": "passed"}, "created_at": "2026-03-12T10:02:00.734+00:00"},
{"family": "kcidb", "event": "checkout.new", "key": "redhat:1", "attributes": {"origin": "redhat"}, "payload": {"id": "redhat:1"}, "created_at": "2026-03-12T10:02:01+00:00"}
]$json$);
