-- receipt
SELECT 'processed' AS status, objects, NULL::text AS detail, received_at
FROM kcidb_receipts
WHERE id = $1::text AND submitter = $2::text
UNION ALL
SELECT 'failed', NULL, detail, received_at
FROM refused
WHERE id = $1::text AND attributes ->> 'receipt_for' = $2::text
ORDER BY status DESC, received_at DESC
LIMIT 1
