-- checks_by_key
-- Checks by system, table and key.
SELECT
    c.system, c.kind, c.key, c.stage, c.name, c.host, c.repo, c.sha, c.branch, c.mr, c.lane, c.run, c.attempt,
    c.attempt_is_whole, c.seq, c.state, c.original, c.warn, c.optional, c.ever_bad, c.waived_by, c.url, c.log_url,
    c.created_at, c.started_at, c.finished_at, c.changed_at, c.stuck_since
FROM (SELECT unnest($1::text[]) AS system, unnest($2::text[]) AS kind, unnest($3::text[]) AS key) AS i
JOIN checks AS c ON c.system = i.system AND c.kind = i.kind AND c.key = i.key
ORDER BY c.system, c.kind, c.key
