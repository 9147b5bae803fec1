-- next_verdict_changes
-- The oldest commits whose checks have changed, and those whose verdict time alone can have changed; at most $1 of
-- each.
(SELECT c.id, c.repo, c.sha, c.silent FROM verdict_changes AS c ORDER BY c.id LIMIT $1)
UNION ALL
(SELECT NULL, v.repo, v.sha, false FROM verdicts AS v WHERE v.due_at <= now() ORDER BY v.due_at LIMIT $1)
