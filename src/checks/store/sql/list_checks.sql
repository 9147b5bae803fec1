-- list_checks
-- Newest first, after a position if given. The search for a part of a name has no index, so it covers the first 10,000
-- checks that match the other conditions.
SELECT
    c.system, c.kind, c.key, c.stage, c.name, c.host, c.repo, c.sha, c.branch, c.mr, c.lane, c.run, c.attempt,
    c.attempt_is_whole, c.seq, c.state, c.original, c.warn, c.optional, c.ever_bad, c.waived_by, c.url, c.log_url,
    c.created_at, c.started_at, c.finished_at, c.changed_at, c.stuck_since
FROM (
    SELECT * FROM checks AS k
    WHERE ($1::text[] IS NULL OR k.state = ANY ($1))
        AND ($2::text IS NULL OR k.system = $2)
        AND ($3::text IS NULL OR k.kind = $3)
        AND ($4::text IS NULL OR k.repo = $4)
        AND ($5::text IS NULL OR k.branch = $5)
        AND ($7::timestamptz IS NULL OR (k.created_at, k.system, k.kind, k.key) < ($7, $8::text, $9::text, $10::text))
    ORDER BY k.created_at DESC, k.system DESC, k.kind DESC, k.key DESC
    LIMIT CASE WHEN $6::text IS NULL THEN $11::bigint ELSE 10000 END
) AS c
WHERE $6 IS NULL OR strpos(lower(c.name COLLATE "default"), lower($6)) > 0
ORDER BY c.created_at DESC, c.system DESC, c.kind DESC, c.key DESC
LIMIT $11
