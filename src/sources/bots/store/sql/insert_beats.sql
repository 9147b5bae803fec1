-- insert_beats
-- Each heartbeat once (idempotent). One that is delivered again under another message id has the same time and content;
-- of such copies the row names the message that was sent first, so an earlier copy replaces a later one. Returns the
-- new rows and the replaced rows.
WITH incoming AS (
    SELECT DISTINCT ON (u.name, u.at, u.status, u.content)
        u.name, u.at, u.message_id, u.status, u.comment, u.message_at, u.sent
    FROM (
        SELECT i.*, coalesce(i.comment, '') AS content, coalesce(i.message_at, '-infinity') AS sent
        FROM (
            SELECT unnest($1::text[]) AS name, unnest($2::timestamptz[]) AS at, unnest($3::text[]) AS message_id,
                unnest($4::text[]) AS status, unnest($5::text[]) AS comment, unnest($6::timestamptz[]) AS message_at
        ) AS i
    ) AS u
    ORDER BY u.name, u.at, u.status, u.content, u.sent, u.message_id COLLATE "C"
), replaced AS (
    DELETE FROM bot_beats AS t USING incoming AS i
    WHERE t.name = i.name AND t.at = i.at AND t.status = i.status AND t.comment IS NOT DISTINCT FROM i.comment
        AND t.message_id <> i.message_id
        AND (i.sent, i.message_id COLLATE "C") < (coalesce(t.message_at, '-infinity'), t.message_id)
    RETURNING t.name, t.at, t.message_id
), inserted AS (
    INSERT INTO bot_beats AS t (name, at, message_id, status, comment, message_at)
    SELECT i.name, i.at, i.message_id, i.status, i.comment, i.message_at
    FROM incoming AS i
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
