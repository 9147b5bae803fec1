-- upsert_bots
-- The newest heartbeat whole, `gone` included: nothing of an older one carries over. Locks the rows of all bots of the
-- batch, newer or not, so that insert_beats and link_beats of two batches do not meet.
INSERT INTO bots AS t (
    name, status, comment, meta, interval_seconds, warnings, updated_at, message_id, message_at
)
SELECT
    i.name, i.status, i.comment, i.meta::jsonb, i.interval_seconds,
    ARRAY(SELECT jsonb_array_elements_text(i.warnings::jsonb)), i.updated_at, i.message_id, i.message_at
FROM (
    SELECT unnest($1::text[]) AS name, unnest($2::text[]) AS status, unnest($3::text[]) AS comment,
        unnest($4::text[]) AS meta, unnest($5::bigint[]) AS interval_seconds, unnest($6::text[]) AS warnings,
        unnest($7::timestamptz[]) AS updated_at, unnest($8::text[]) AS message_id,
        unnest($9::timestamptz[]) AS message_at
) AS i
ORDER BY i.name
ON CONFLICT (name) DO UPDATE SET
    status = excluded.status, comment = excluded.comment, meta = excluded.meta,
    interval_seconds = excluded.interval_seconds, warnings = excluded.warnings, updated_at = excluded.updated_at,
    message_id = excluded.message_id, message_at = excluded.message_at, received_at = now()
WHERE (t.updated_at, t.message_id) < (excluded.updated_at, excluded.message_id)
RETURNING t.name
