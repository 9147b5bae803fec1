-- upsert_bots
-- The row of a bot is its newest heartbeat as a whole, including `gone`: no column is kept from an older one. Version
-- guard: the later time wins, then the worse status, then the content; never the message id, because a message that is
-- delivered again is not newer. Of equal heartbeats the row names the message that was sent first. Locks the rows of
-- all bots of the batch, also of outdated heartbeats, so that insert_beats and link_beats of two batches run one after
-- the other.
INSERT INTO bots AS t (
    name, status, comment, meta, interval_seconds, warnings, updated_at, message_id, message_at
)
SELECT DISTINCT ON (i.name)
    i.name, i.status, i.comment, i.meta, i.interval_seconds, i.warnings, i.updated_at, i.message_id, i.message_at
FROM (
    SELECT u.name, u.status, u.comment, u.meta::jsonb AS meta, u.interval_seconds,
        ARRAY(SELECT jsonb_array_elements_text(u.warnings::jsonb)) AS warnings, u.updated_at, u.message_id, u.message_at
    FROM (
        SELECT unnest($1::text[]) AS name, unnest($2::text[]) AS status, unnest($3::text[]) AS comment,
            unnest($4::text[]) AS meta, unnest($5::bigint[]) AS interval_seconds, unnest($6::text[]) AS warnings,
            unnest($7::timestamptz[]) AS updated_at, unnest($8::text[]) AS message_id,
            unnest($9::timestamptz[]) AS message_at
    ) AS u
) AS i
ORDER BY i.name, i.updated_at DESC, array_position('{ok,warning,failed,gone}'::text[], i.status) DESC,
    coalesce(i.comment, '') COLLATE "C" DESC, i.meta DESC, coalesce(i.interval_seconds, 0) DESC,
    i.warnings COLLATE "C" DESC,
    coalesce(i.message_at, '-infinity'), i.message_id COLLATE "C"
ON CONFLICT (name) DO UPDATE SET
    status = excluded.status, comment = excluded.comment, meta = excluded.meta,
    interval_seconds = excluded.interval_seconds, warnings = excluded.warnings, updated_at = excluded.updated_at,
    message_id = excluded.message_id, message_at = excluded.message_at, received_at = now()
WHERE (
    t.updated_at, array_position('{ok,warning,failed,gone}'::text[], t.status), coalesce(t.comment, '') COLLATE "C",
    t.meta, coalesce(t.interval_seconds, 0), t.warnings COLLATE "C",
    coalesce(excluded.message_at, '-infinity'), excluded.message_id
) < (
    excluded.updated_at, array_position('{ok,warning,failed,gone}'::text[], excluded.status),
    coalesce(excluded.comment, '') COLLATE "C", excluded.meta, coalesce(excluded.interval_seconds, 0),
    excluded.warnings COLLATE "C",
    coalesce(t.message_at, '-infinity'), t.message_id
)
RETURNING t.name
