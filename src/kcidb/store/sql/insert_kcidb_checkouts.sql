-- insert_kcidb_checkouts
-- New ones only: those that are there are locked and updated.
INSERT INTO kcidb_checkouts (
    id, origin, tree_name, git_repository_url, git_commit_hash, git_commit_name, git_commit_tags, git_commit_message,
    git_repository_branch, git_repository_branch_tip, patchset_files, patchset_hash, mail_message_id, comment,
    start_time, origin_builds_finish_time, origin_tests_finish_time, log_url, log_excerpt_sha256, valid, misc,
    message_id, message_at, older
)
SELECT
    i.id, i.origin, i.tree_name, i.git_repository_url, i.git_commit_hash, i.git_commit_name,
    i.git_commit_tags::jsonb, i.git_commit_message, i.git_repository_branch, i.git_repository_branch_tip,
    i.patchset_files::jsonb, i.patchset_hash, i.mail_message_id, i.comment, i.start_time,
    i.origin_builds_finish_time, i.origin_tests_finish_time, i.log_url, i.log_excerpt_sha256, i.valid, i.misc::jsonb,
    i.message_id, i.message_at, i.older::jsonb
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::boolean[], $11::text[], $12::text[], $13::text[], $14::text[], $15::timestamptz[], $16::timestamptz[],
    $17::timestamptz[], $18::text[], $19::bytea[], $20::boolean[], $21::text[], $22::text[], $23::timestamptz[],
    $24::text[]
) AS i (
    id, origin, tree_name, git_repository_url, git_commit_hash, git_commit_name, git_commit_tags, git_commit_message,
    git_repository_branch, git_repository_branch_tip, patchset_files, patchset_hash, mail_message_id, comment,
    start_time, origin_builds_finish_time, origin_tests_finish_time, log_url, log_excerpt_sha256, valid, misc,
    message_id, message_at, older
)
ORDER BY i.id
ON CONFLICT (id) DO NOTHING
RETURNING id
