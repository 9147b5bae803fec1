INSERT INTO bots
SELECT * FROM jsonb_populate_recordset(NULL::bots, $json$[
{"name": "xcdchk", "status": "ok", "comment": null, "meta": {}, "interval_seconds": 60, "warnings": [], "updated_at": "2026-03-12T10:00:00.734+00:00", "message_id": "m1", "message_at": "2026-03-12T10:00:00.734+00:00", "received_at": "2026-03-12T10:00:01+00:00"},
{"name": "rpmlint", "status": "gone", "comment": "moved", "meta": {"contact": "a"}, "interval_seconds": null, "warnings": ["ts: x"], "updated_at": "2026-03-12T10:00:00+00:00", "message_id": "m2", "message_at": null, "received_at": "2026-03-12T10:00:01+00:00"}
]$json$);
INSERT INTO bot_beats
SELECT * FROM jsonb_populate_recordset(NULL::bot_beats, $json$[
{"name": "xcdchk", "at": "2026-03-12T10:00:00.734+00:00", "message_id": "m1", "status": "ok", "before": null, "comment": null, "message_at": null, "received_at": "2026-03-12T10:00:01+00:00"}
]$json$);
