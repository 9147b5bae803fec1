INSERT INTO kcidb_receipts
SELECT * FROM jsonb_populate_recordset(NULL::kcidb_receipts, $json$[
{"id": "6f1ed002ab5595859014ebf0951522d9", "submitter": "maestro", "objects": 3, "received_at": "2026-03-12T10:00:00+00:00"},
{"id": "098f6bcd4621d373cade4e832627b4f6", "submitter": "redhat", "objects": 0, "received_at": "2026-03-12T10:00:01+00:00"}
]$json$);
