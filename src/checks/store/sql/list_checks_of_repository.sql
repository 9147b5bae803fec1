-- list_checks_of_repository
-- As list_checks, of a repository. Only the index that begins with the repository has the order, as it is no equality.
SELECT
    c.system, c.kind, c.key, c.stage, c.name, c.host, c.repo, c.sha, c.branch, c.mr, c.lane, c.run, c.attempt,
    c.attempt_is_whole, c.seq, c.state, c.original, c.warn, c.optional, c.ever_bad, c.waived_by, c.url, c.log_url,
    c.created_at, c.started_at, c.finished_at, c.changed_at, c.stuck_since
FROM (
    SELECT * FROM checks AS k
    WHERE k.repo >= $10 AND k.repo <= $10
        AND k.created_at <= coalesce($1::timestamptz, 'infinity')
        AND ($1 IS NULL OR (k.created_at, k.system, k.kind, k.key) < ($1, $2::text, $3::text, $4::text))
    ORDER BY k.repo, k.created_at DESC, k.system DESC, k.kind DESC, k.key DESC
    LIMIT 10000
) AS c
WHERE ($6::text[] IS NULL OR c.state = ANY ($6))
    AND ($7::text IS NULL OR c.system = $7)
    AND ($8::text IS NULL OR c.kind = $8)
    AND ($9::text IS NULL OR strpos(lower(c.name COLLATE "default"), lower($9)) > 0)
ORDER BY c.repo, c.created_at DESC, c.system DESC, c.kind DESC, c.key DESC
LIMIT $5
