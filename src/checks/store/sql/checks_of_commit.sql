-- checks_of_commit
-- All checks of a commit, by its whole hash; of one repository if given.
SELECT
    c.system, c.kind, c.key, c.stage, c.name, c.host, c.repo, c.sha, c.branch, c.mr, c.lane, c.run, c.attempt,
    c.attempt_is_whole, c.seq, c.state, c.original, c.warn, c.optional, c.ever_bad, c.waived_by, c.url, c.log_url,
    c.created_at, c.started_at, c.finished_at, c.changed_at, c.stuck_since
FROM checks AS c
WHERE c.sha = $1 AND ($2::text IS NULL OR c.repo = $2)
ORDER BY c.system, c.kind, c.key
LIMIT $3
