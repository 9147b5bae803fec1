-- rejected_months
-- The months that have a partition, and the months of a time span for which the default partition holds rows.
SELECT to_date(substr(c.relname::text, 9), 'YYYY_MM') AS month, true AS made
FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = 'refused'::regclass AND c.relname ~ '^refused_[0-9]{4}_[0-9]{2}$'
UNION
SELECT date_trunc('month', r.sent_at AT TIME ZONE 'UTC')::date, false
FROM refused_default AS r
WHERE r.sent_at >= $1::date::timestamp AT TIME ZONE 'UTC' AND r.sent_at < $2::date::timestamp AT TIME ZONE 'UTC'
ORDER BY 1, 2
