-- delete_receipts
DELETE FROM kcidb_receipts
WHERE id IN (
    SELECT id FROM kcidb_receipts
    WHERE received_at < now() - interval '90 days'
    ORDER BY received_at LIMIT 100
    FOR UPDATE SKIP LOCKED
)
RETURNING 1 AS one
