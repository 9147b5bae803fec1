-- update_kcidb_checkouts
-- Values that do not win are given as null and stay. The rows have been locked by lock_kcidb_checkouts.
UPDATE kcidb_checkouts AS t SET
    origin = coalesce(i.origin, t.origin), tree_name = coalesce(i.tree_name, t.tree_name),
    git_repository_url = coalesce(i.git_repository_url, t.git_repository_url),
    git_commit_hash = coalesce(i.git_commit_hash, t.git_commit_hash),
    git_commit_name = coalesce(i.git_commit_name, t.git_commit_name),
    git_commit_tags = coalesce(i.git_commit_tags::jsonb, t.git_commit_tags),
    git_commit_message = coalesce(i.git_commit_message, t.git_commit_message),
    git_repository_branch = coalesce(i.git_repository_branch, t.git_repository_branch),
    git_repository_branch_tip = coalesce(i.git_repository_branch_tip, t.git_repository_branch_tip),
    patchset_files = coalesce(i.patchset_files::jsonb, t.patchset_files),
    patchset_hash = coalesce(i.patchset_hash, t.patchset_hash),
    mail_message_id = coalesce(i.mail_message_id, t.mail_message_id), comment = coalesce(i.comment, t.comment),
    start_time = coalesce(i.start_time, t.start_time),
    origin_builds_finish_time = coalesce(i.origin_builds_finish_time, t.origin_builds_finish_time),
    origin_tests_finish_time = coalesce(i.origin_tests_finish_time, t.origin_tests_finish_time),
    log_url = coalesce(i.log_url, t.log_url),
    log_excerpt_sha256 = coalesce(i.log_excerpt_sha256, t.log_excerpt_sha256), valid = coalesce(i.valid, t.valid),
    misc = coalesce(i.misc::jsonb, t.misc), message_id = i.message_id, message_at = i.message_at,
    older = i.older::jsonb, received_at = now()
FROM (
    SELECT unnest($1::text[]) AS id, unnest($2::text[]) AS origin, unnest($3::text[]) AS tree_name,
        unnest($4::text[]) AS git_repository_url, unnest($5::text[]) AS git_commit_hash,
        unnest($6::text[]) AS git_commit_name, unnest($7::text[]) AS git_commit_tags,
        unnest($8::text[]) AS git_commit_message, unnest($9::text[]) AS git_repository_branch,
        unnest($10::boolean[]) AS git_repository_branch_tip, unnest($11::text[]) AS patchset_files,
        unnest($12::text[]) AS patchset_hash, unnest($13::text[]) AS mail_message_id, unnest($14::text[]) AS comment,
        unnest($15::timestamptz[]) AS start_time, unnest($16::timestamptz[]) AS origin_builds_finish_time,
        unnest($17::timestamptz[]) AS origin_tests_finish_time, unnest($18::text[]) AS log_url,
        unnest($19::bytea[]) AS log_excerpt_sha256, unnest($20::boolean[]) AS valid, unnest($21::text[]) AS misc,
        unnest($22::text[]) AS message_id, unnest($23::timestamptz[]) AS message_at, unnest($24::text[]) AS older
) AS i
JOIN kcidb_checkouts AS o ON o.id = i.id
WHERE t.id = i.id
    AND (t.message_id, t.message_at, t.older) IS DISTINCT FROM (i.message_id, i.message_at, i.older::jsonb)
RETURNING t.id, NULL::text AS parent_before, (
    o.origin, o.tree_name, o.git_repository_url, o.git_commit_hash, o.git_commit_name, o.git_commit_tags,
    o.git_commit_message, o.git_repository_branch, o.git_repository_branch_tip, o.patchset_files, o.patchset_hash,
    o.mail_message_id, o.comment, o.start_time, o.origin_builds_finish_time, o.origin_tests_finish_time, o.log_url,
    o.log_excerpt_sha256, o.valid, o.misc
) IS DISTINCT FROM (
    t.origin, t.tree_name, t.git_repository_url, t.git_commit_hash, t.git_commit_name, t.git_commit_tags,
    t.git_commit_message, t.git_repository_branch, t.git_repository_branch_tip, t.patchset_files, t.patchset_hash,
    t.mail_message_id, t.comment, t.start_time, t.origin_builds_finish_time, t.origin_tests_finish_time, t.log_url,
    t.log_excerpt_sha256, t.valid, t.misc
) AS changed
