-- make_rejected_month
SELECT refused_make_month($1::date, $2::bigint) AS rows
