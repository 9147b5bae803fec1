-- upsert_pushes
-- The earliest message about a push counts, so the guard is the other way round: Push::order.
INSERT INTO gitlab_pushes AS t (
    sha, repo, ref, project_id, default_branch, before_sha, pushed_at, committed_at, title, author, pushed_by, url,
    commit_count, changed_files, files_complete, message_id, message_at
)
SELECT
    i.sha, i.repo, i.ref, i.project_id, i.default_branch, i.before_sha, i.pushed_at, i.committed_at, i.title, i.author,
    i.pushed_by, i.url, i.commit_count, ARRAY(SELECT jsonb_array_elements_text(i.changed_files::jsonb)),
    i.files_complete, i.message_id, i.message_at
FROM (
    SELECT unnest($1::text[]) AS sha, unnest($2::text[]) AS repo, unnest($3::text[]) AS ref,
        unnest($4::bigint[]) AS project_id, unnest($5::text[]) AS default_branch, unnest($6::text[]) AS before_sha,
        unnest($7::timestamptz[]) AS pushed_at, unnest($8::timestamptz[]) AS committed_at, unnest($9::text[]) AS title,
        unnest($10::text[]) AS author, unnest($11::text[]) AS pushed_by, unnest($12::text[]) AS url,
        unnest($13::bigint[]) AS commit_count, unnest($14::text[]) AS changed_files,
        unnest($15::boolean[]) AS files_complete, unnest($16::text[]) AS message_id,
        unnest($17::timestamptz[]) AS message_at
) AS i
ORDER BY i.sha, i.repo, i.ref
ON CONFLICT (sha, repo, ref) DO UPDATE SET
    project_id = excluded.project_id, default_branch = excluded.default_branch, before_sha = excluded.before_sha,
    pushed_at = excluded.pushed_at, committed_at = excluded.committed_at, title = excluded.title,
    author = excluded.author, pushed_by = excluded.pushed_by, url = excluded.url, commit_count = excluded.commit_count,
    changed_files = excluded.changed_files, files_complete = excluded.files_complete,
    message_id = excluded.message_id, message_at = excluded.message_at, received_at = now()
WHERE (coalesce(excluded.message_at, 'infinity'), excluded.message_id) < (coalesce(t.message_at, 'infinity'), t.message_id)
RETURNING t.sha, t.repo, t.ref
