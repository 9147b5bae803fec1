-- outside a transaction
-- Values that no program writes any more: addresses with the user and the password that a CI system cloned with, and times beyond what can
-- be shown (the rule is in src/envelope/time.rs). Tables of builds and tests are too large to be read through here; their times are brought into the
-- bounds when they are read. A chunk at a time, so that no writer waits for long.
DO $$
DECLARE
    edge constant timestamptz[] := '{0001-01-01 00:00:00+00,9999-12-30 22:00:00+00}';
BEGIN
    LOOP
        UPDATE kcidb_checkouts AS t SET
            -- (Both functions take no notice of NULL.)
            start_time = CASE WHEN t.start_time IS NOT NULL THEN greatest(least(t.start_time, edge[2]), edge[1]) END,
            git_repository_url = regexp_replace(t.git_repository_url, '^([^:/?#]+://)[^/?#]*@', '\1')
        FROM (
            SELECT c.id FROM kcidb_checkouts AS c
            WHERE c.git_repository_url ~ '^[^:/?#]+://[^/?#]*@' OR c.start_time NOT BETWEEN edge[1] AND edge[2]
            ORDER BY c.id
            LIMIT 500
            FOR UPDATE
        ) AS c
        WHERE t.id = c.id;
        EXIT WHEN NOT FOUND;
        COMMIT;
    END LOOP;
END $$;
