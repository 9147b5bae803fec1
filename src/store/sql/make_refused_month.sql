-- make_refused_month
SELECT refused_make_month($1::date, $2::bigint) AS rows
