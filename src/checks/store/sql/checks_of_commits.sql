-- checks_of_commits
-- The checks with series ($4) and a result ($5) of commits on branches.
SELECT
    c.system, c.kind, c.key, c.stage, c.name, c.host, c.repo, c.sha, c.branch, c.mr, c.lane, c.run, c.attempt,
    c.attempt_is_whole, c.seq, c.state, c.original, c.warn, c.optional, c.ever_bad, c.waived_by, c.url, c.log_url,
    c.created_at, c.started_at, c.finished_at, c.changed_at, c.stuck_since
FROM (SELECT unnest($1::text[]) AS repo, unnest($2::text[]) AS branch, unnest($3::text[]) AS sha) AS i
JOIN checks AS c ON c.sha = i.sha AND c.repo = i.repo AND c.lane = ANY ($4::text[])
    AND CASE WHEN c.lane = 'tag' THEN '' ELSE coalesce(c.branch, '') END = i.branch AND c.state = ANY ($5::text[])
ORDER BY c.system, c.kind, c.key
