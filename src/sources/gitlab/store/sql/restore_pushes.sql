-- restore_pushes
-- Moves the rows of projects back from the table `replaced`, under their own keys ($1).
WITH kept AS (
    DELETE FROM replaced AS r USING unnest($1::text[]) AS i (own)
    WHERE r.kind = 'gitlab_pushes' AND starts_with(r.uid, i.own || ' ')
    RETURNING r."row" || jsonb_build_object('repo', i.own) AS object
)
INSERT INTO gitlab_pushes (sha, repo, ref, project_id, host, default_branch, before_sha, times, pushed_at,
    first_pushed_at, committed_at, title, author, pushed_by, url, commit_count, changed_files, files_complete,
    message_id, message_at)
SELECT p.sha, p.repo, p.ref, p.project_id, p.host, p.default_branch, p.before_sha, p.times, p.pushed_at,
    p.first_pushed_at, p.committed_at, p.title, p.author, p.pushed_by, p.url, p.commit_count, p.changed_files,
    p.files_complete, p.message_id, p.message_at
FROM kept AS k CROSS JOIN LATERAL jsonb_populate_record(NULL::gitlab_pushes, k.object) AS p
RETURNING sha, repo, ref
