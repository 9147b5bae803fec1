-- Creates the read-only role of the web UI: it reads every table, also those of later migrations, and changes nothing.
--
-- To be run once, by the owner of the tables (DatabaseUser), after the first deploy:
--
--   psql "$DATABASE_URL" -v reader=hummingbird_page -v password=.. -f sam/reader.sql
--
-- With IAM instead of a password: afterwards `ALTER ROLE hummingbird_page PASSWORD NULL; GRANT rds_iam TO
-- hummingbird_page`.
CREATE ROLE :"reader" LOGIN PASSWORD :'password';
ALTER ROLE :"reader" SET default_transaction_read_only = on;
ALTER ROLE :"reader" SET statement_timeout = '5s';
ALTER ROLE :"reader" SET idle_in_transaction_session_timeout = '5s';
GRANT USAGE ON SCHEMA public TO :"reader";
GRANT SELECT ON ALL TABLES IN SCHEMA public TO :"reader";
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO :"reader";
-- Before PostgreSQL 15 every user could create tables there.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
