-- kcidb_now
SELECT now() AS at
