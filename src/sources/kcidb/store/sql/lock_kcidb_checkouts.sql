-- lock_kcidb_checkouts
-- Locks existing rows for the version guard: their stamps, and which columns have a value. Rows that were already
-- written with the same message are skipped: a redelivery is idempotent.
SELECT t.id, t.message_id, t.message_at, t.older, ARRAY[
    t.origin IS NOT NULL, t.tree_name IS NOT NULL, t.git_repository_url IS NOT NULL, t.git_commit_hash IS NOT NULL,
    t.git_commit_name IS NOT NULL, t.git_commit_tags IS NOT NULL, t.git_commit_message IS NOT NULL,
    t.git_repository_branch IS NOT NULL, t.git_repository_branch_tip IS NOT NULL, t.patchset_files IS NOT NULL,
    t.patchset_hash IS NOT NULL, t.mail_message_id IS NOT NULL, t.comment IS NOT NULL, t.start_time IS NOT NULL,
    t.origin_builds_finish_time IS NOT NULL, t.origin_tests_finish_time IS NOT NULL, t.log_url IS NOT NULL,
    t.log_excerpt_sha256 IS NOT NULL, t.valid IS NOT NULL, t.misc IS NOT NULL
] AS filled
FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS i (id, message_id, message_at)
JOIN kcidb_checkouts AS t ON t.id = i.id
WHERE (t.message_id, t.message_at) IS DISTINCT FROM (i.message_id, i.message_at)
ORDER BY t.id
FOR UPDATE OF t
