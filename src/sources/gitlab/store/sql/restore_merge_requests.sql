-- restore_merge_requests
-- Moves the rows of projects back from the table `replaced`, under their own keys ($1).
WITH kept AS (
    DELETE FROM replaced AS r USING unnest($1::text[]) AS i (own)
    WHERE r.kind = 'gitlab_merge_requests' AND starts_with(r.uid, i.own || '!')
    RETURNING r."row" || jsonb_build_object('project', i.own) AS object
)
INSERT INTO gitlab_merge_requests (project, iid, project_id, host, state, state_rank, title, draft, source_branch,
    target_branch, source_project_id, target_project_id, author_id, merge_commit_sha, labels, url, last_action,
    last_actor, created_at, updated_at, version_at, place, told, content, source, deleted_at, message_id, message_at,
    sha, head_claims, head_version_at, head_message_at, head_message_id, author, author_version_at, author_message_at,
    author_message_id, merged_at, heard_at)
SELECT p.project, p.iid, p.project_id, p.host, p.state, p.state_rank, p.title, p.draft, p.source_branch,
    p.target_branch, p.source_project_id, p.target_project_id, p.author_id, p.merge_commit_sha, p.labels, p.url,
    p.last_action, p.last_actor, p.created_at, p.updated_at, p.version_at, p.place, p.told, p.content, p.source,
    p.deleted_at, p.message_id, p.message_at, p.sha, p.head_claims, p.head_version_at, p.head_message_at,
    p.head_message_id, p.author, p.author_version_at, p.author_message_at, p.author_message_id, p.merged_at, p.heard_at
FROM kept AS k CROSS JOIN LATERAL jsonb_populate_record(NULL::gitlab_merge_requests, k.object) AS p
