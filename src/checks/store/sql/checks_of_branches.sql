-- checks_of_branches
-- The checks with a result ($4) on branches, of the lanes $3.
SELECT
    c.system, c.kind, c.key, c.stage, c.name, c.host, c.repo, c.sha, c.branch, c.mr, c.lane, c.run, c.attempt,
    c.attempt_is_whole, c.seq, c.state, c.original, c.warn, c.optional, c.ever_bad, c.waived_by, c.url, c.log_url,
    c.created_at, c.started_at, c.finished_at, c.changed_at, c.stuck_since
FROM (SELECT unnest($1::text[]) AS repo, unnest($2::text[]) AS branch) AS i
JOIN checks AS c ON c.repo = i.repo AND c.branch = i.branch AND c.lane = ANY ($3::text[]) AND c.state = ANY ($4::text[])
ORDER BY c.system, c.kind, c.key
