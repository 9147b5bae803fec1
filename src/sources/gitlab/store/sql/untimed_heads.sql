-- untimed_heads
-- Merge requests with heads from an API list, without a time at which they became the head. The condition is that of
-- the index gitlab_mr_versions_untimed.
SELECT DISTINCT iid
FROM gitlab_mr_versions
WHERE project = $1 AND head_at IS NULL AND seen_message_id LIKE 'reconcile-%' AND seen_message_at >= $2
ORDER BY iid
