-- Triggers that make statements fail as on a slow or full disk, while the table of the test says so.
CREATE SCHEMA chaos;
CREATE TABLE chaos.fault (kind text NOT NULL);
INSERT INTO chaos.fault VALUES ('none');
CREATE FUNCTION chaos.strike() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    now_so text;
BEGIN
    SELECT kind INTO now_so FROM chaos.fault;
    IF now_so = 'busy' THEN
        PERFORM pg_sleep(0.01);
    ELSIF now_so = 'slow' AND random() < 0.4 THEN
        PERFORM pg_sleep(30);
    ELSIF now_so = 'full' AND random() < 0.4 THEN
        RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100';
    END IF;
    RETURN NULL;
END
$$;
DO $$
DECLARE
    one regclass;
BEGIN
    FOR one IN
        SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
            AND NOT relispartition AND relname <> 'schema_migrations'
    LOOP
        EXECUTE format('CREATE TRIGGER chaos AFTER INSERT OR UPDATE ON %s EXECUTE FUNCTION chaos.strike()', one);
    END LOOP;
END
$$;
