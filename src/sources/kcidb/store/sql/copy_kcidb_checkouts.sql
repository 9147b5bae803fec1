-- copy_kcidb_checkouts
-- Inserts new rows. A row that another transaction inserts meanwhile is a conflict, and the transaction is retried.
COPY kcidb_checkouts (
    id, origin, tree_name, git_repository_url, git_commit_hash, git_commit_name, git_commit_tags,
    git_commit_message, git_repository_branch, git_repository_branch_tip, patchset_files, patchset_hash,
    mail_message_id, comment, start_time, origin_builds_finish_time, origin_tests_finish_time, log_url,
    log_excerpt_sha256, valid, misc, message_id, message_at, older
) FROM STDIN (FORMAT binary)
