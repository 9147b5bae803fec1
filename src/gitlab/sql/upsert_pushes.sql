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
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[],
    $9::text[], $10::text[], $11::text[], $12::text[], $13::bigint[], $14::text[], $15::boolean[], $16::text[],
    $17::timestamptz[]
) AS i (
    sha, repo, ref, project_id, default_branch, before_sha, pushed_at, committed_at, title, author, pushed_by, url,
    commit_count, changed_files, files_complete, message_id, message_at
)
ORDER BY i.sha, i.repo, i.ref
ON CONFLICT (sha, repo, ref) DO UPDATE SET
    project_id = excluded.project_id, default_branch = excluded.default_branch, before_sha = excluded.before_sha,
    pushed_at = excluded.pushed_at, committed_at = excluded.committed_at, title = excluded.title,
    author = excluded.author, pushed_by = excluded.pushed_by, url = excluded.url, commit_count = excluded.commit_count,
    changed_files = excluded.changed_files, files_complete = excluded.files_complete,
    message_id = excluded.message_id, message_at = excluded.message_at, received_at = now()
WHERE (coalesce(excluded.message_at, 'infinity'), excluded.message_id) < (coalesce(t.message_at, 'infinity'), t.message_id)
RETURNING t.sha, t.repo, t.ref
