-- delete_log_excerpts
-- Deletes texts that are still unreferenced: by objects, and by events whose delivery is pending or can be retried.
DELETE FROM kcidb_log_excerpts AS t
USING unnest($1::bytea[]) AS i (sha256)
WHERE t.sha256 = i.sha256
    AND NOT EXISTS (SELECT FROM kcidb_tests AS x WHERE x.log_excerpt_sha256 = i.sha256)
    AND NOT EXISTS (SELECT FROM kcidb_builds AS x WHERE x.log_excerpt_sha256 = i.sha256)
    AND NOT EXISTS (SELECT FROM kcidb_checkouts AS x WHERE x.log_excerpt_sha256 = i.sha256)
    AND 'sha256:' || encode(i.sha256, 'hex') NOT IN (
        SELECT h.hash FROM (
            SELECT o.payload, o.texts FROM outbox AS o WHERE o.routed_at IS NULL
            UNION ALL
            SELECT o.payload, o.texts
            FROM deliveries AS d JOIN outbox AS o ON o.id = d.outbox_id AND o.created_at = d.created_at
            WHERE d.state = 'pending'
            UNION ALL
            SELECT o.payload, o.texts
            FROM deliveries AS d JOIN outbox AS o ON o.id = d.outbox_id AND o.created_at = d.created_at
            WHERE d.state = 'dead'
        ) AS e
        -- Earlier releases wrote the hash into the payload.
        CROSS JOIN LATERAL (
            SELECT coalesce(e.texts ->> 'log_excerpt', e.payload #>> '{omitted,log_excerpt}')
        ) AS h (hash)
        WHERE h.hash IS NOT NULL
    )
RETURNING 1 AS one
