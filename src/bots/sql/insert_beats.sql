-- insert_beats
-- Every heartbeat, once: one that is delivered again under another id has its own time, and says the same. Of these the message that was sent
-- first is named, so that one of them may take the place of another. Returned are those that are new, and those that are gone for them.
WITH said AS (
    SELECT DISTINCT ON (u.name, u.at, u.status, u.said) u.name, u.at, u.message_id, u.status, u.comment, u.message_at, u.sent
    FROM (
        SELECT i.*, coalesce(i.comment, '') AS said, coalesce(i.message_at, '-infinity') AS sent
        FROM (
            SELECT unnest($1::text[]) AS name, unnest($2::timestamptz[]) AS at, unnest($3::text[]) AS message_id,
                unnest($4::text[]) AS status, unnest($5::text[]) AS comment, unnest($6::timestamptz[]) AS message_at
        ) AS i
    ) AS u
    ORDER BY u.name, u.at, u.status, u.said, u.sent, u.message_id COLLATE "C"
), replaced AS (
    DELETE FROM bot_beats AS t USING said AS i
    WHERE t.name = i.name AND t.at = i.at AND t.status = i.status AND t.comment IS NOT DISTINCT FROM i.comment
        AND t.message_id <> i.message_id
        AND (i.sent, i.message_id COLLATE "C") < (coalesce(t.message_at, '-infinity'), t.message_id)
    RETURNING t.name, t.at, t.message_id
), inserted AS (
    INSERT INTO bot_beats AS t (name, at, message_id, status, comment, message_at)
    SELECT i.name, i.at, i.message_id, i.status, i.comment, i.message_at
    FROM said AS i
    WHERE NOT EXISTS (
        SELECT FROM bot_beats AS b
        WHERE b.name = i.name AND b.at = i.at AND b.status = i.status AND b.comment IS NOT DISTINCT FROM i.comment
            AND (coalesce(b.message_at, '-infinity'), b.message_id) <= (i.sent, i.message_id COLLATE "C")
    )
    ORDER BY i.name, i.at, i.message_id
    ON CONFLICT (name, at, message_id) DO NOTHING
    RETURNING t.name, t.at, t.message_id
)
SELECT n.name, n.at, n.message_id FROM inserted AS n
UNION ALL
SELECT r.name, r.at, r.message_id FROM replaced AS r
