-- read_kcidb_checkouts
SELECT
    t.id, t.origin, t.tree_name, t.git_repository_url, t.git_commit_hash, t.git_commit_name, t.git_commit_tags::text,
    t.git_commit_message, t.git_repository_branch, t.git_repository_branch_tip, t.patchset_files::text,
    t.patchset_hash, t.mail_message_id, t.comment, t.start_time, t.origin_builds_finish_time,
    t.origin_tests_finish_time, t.log_url, t.log_excerpt_sha256, t.valid, t.misc::text
FROM unnest($1::text[]) AS i (id)
JOIN kcidb_checkouts AS t ON t.id = i.id
ORDER BY t.id
