-- lease_of_status
SELECT c.target, c.lease_until IS NOT NULL AS held FROM commit_statuses AS c WHERE c.lease = $1::text::uuid
