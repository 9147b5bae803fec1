-- kcidb_find_checkout
SELECT c.id, c.origin, c.tree_name, c.git_repository_url,
    c.git_repository_branch, c.git_commit_hash, c.git_commit_name,
    c.patchset_hash, c.comment, c.start_time, c.log_url, c.valid,
    coalesce(c.start_time, c.message_at, c.received_at) AS at,
    m.milestones, m.overdue, c.message_id, c.message_at, c.git_commit_message, c.git_commit_tags,
    c.git_repository_branch_tip, c.patchset_files, c.mail_message_id, c.origin_builds_finish_time,
    c.origin_tests_finish_time, c.misc
FROM kcidb_checkouts AS c
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(m.milestone ORDER BY array_position(
            '{build_setups_finished,tests_finished,ready_to_report}', m.milestone)), '{}') AS milestones,
        coalesce(bool_or(m.overdue), false) AS overdue
    FROM kcidb_milestones AS m WHERE m.checkout_id = c.id
) AS m
WHERE c.id = $1
