-- next_verdict_due
-- When time alone changes a verdict next.
SELECT min(v.due_at) AS due_at FROM verdicts AS v WHERE v.due_at IS NOT NULL
