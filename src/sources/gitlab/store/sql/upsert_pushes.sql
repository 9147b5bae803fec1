-- upsert_pushes
-- For the columns about the commit the earliest message counts (Push::merge), so their version guard is reversed. The
-- times of the pushes, one for each previous head, are united.
INSERT INTO gitlab_pushes AS t (
    sha, repo, ref, project_id, host, default_branch, before_sha, times, pushed_at, first_pushed_at, committed_at,
    title, author, pushed_by, url, commit_count, changed_files, files_complete, message_id, message_at
)
SELECT
    i.sha, i.repo, i.ref, i.project_id, i.host, i.default_branch, i.before_sha, i.times::jsonb,
    pushed_at(i.times::jsonb), first_pushed_at(i.times::jsonb), i.committed_at, i.title,
    i.author, i.pushed_by, i.url, i.commit_count, ARRAY(SELECT jsonb_array_elements_text(i.changed_files::jsonb)),
    i.files_complete, i.message_id, i.message_at
FROM (
    SELECT unnest($1::text[]) AS sha, unnest($2::text[]) AS repo, unnest($3::text[]) AS ref,
        unnest($4::bigint[]) AS project_id, unnest($5::text[]) AS host,
        unnest($6::text[]) AS default_branch, unnest($7::text[]) AS before_sha,
        unnest($8::text[]) AS times, unnest($9::timestamptz[]) AS committed_at, unnest($10::text[]) AS title,
        unnest($11::text[]) AS author, unnest($12::text[]) AS pushed_by, unnest($13::text[]) AS url,
        unnest($14::bigint[]) AS commit_count, unnest($15::text[]) AS changed_files,
        unnest($16::boolean[]) AS files_complete, unnest($17::text[]) AS message_id,
        unnest($18::timestamptz[]) AS message_at
) AS i
ORDER BY i.sha, i.repo, i.ref
ON CONFLICT (sha, repo, ref) DO UPDATE SET
    (project_id, host, default_branch, before_sha, committed_at, title, author, pushed_by, url, commit_count,
        changed_files, files_complete, message_id, message_at) = (
        SELECT e.project_id, e.host, e.default_branch, e.before_sha, e.committed_at, e.title, e.author, e.pushed_by,
            e.url, e.commit_count, e.changed_files, e.files_complete, e.message_id, e.message_at
        FROM (VALUES (t.project_id, t.host, t.default_branch, t.before_sha, t.committed_at, t.title, t.author,
                t.pushed_by, t.url, t.commit_count, t.changed_files, t.files_complete, t.message_id, t.message_at),
            (excluded.project_id, excluded.host, excluded.default_branch, excluded.before_sha, excluded.committed_at,
                excluded.title, excluded.author, excluded.pushed_by, excluded.url, excluded.commit_count,
                excluded.changed_files, excluded.files_complete, excluded.message_id, excluded.message_at)
        ) AS e (project_id, host, default_branch, before_sha, committed_at, title, author, pushed_by, url, commit_count,
            changed_files, files_complete, message_id, message_at)
        ORDER BY e.message_at NULLS LAST, e.message_id LIMIT 1),
    (times, pushed_at, first_pushed_at) = (
        SELECT u.times, pushed_at(u.times), first_pushed_at(u.times)
        FROM united_times(times_of(t.times, t.before_sha, t.pushed_at), excluded.times) AS u (times)),
    received_at = now()
WHERE (coalesce(excluded.message_at, 'infinity'), excluded.message_id)
        < (coalesce(t.message_at, 'infinity'), t.message_id)
    OR united_times(times_of(t.times, t.before_sha, t.pushed_at), excluded.times) <> t.times
RETURNING t.sha, t.repo, t.ref
