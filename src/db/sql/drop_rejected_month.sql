-- drop_rejected_month
SELECT refused_drop_month($1::date, $2::timestamptz) AS rows
