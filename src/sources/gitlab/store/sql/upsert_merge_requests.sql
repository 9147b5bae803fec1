-- upsert_merge_requests
-- The state of a merge request is that of the newest record as a whole. The version guard is Stamp: a final state
-- first, then the time and the content of the message; of messages with the same content the earliest. Columns that not
-- every message has (sha, author, merged_at, heard_at) are written for new rows only; enrich_merge_requests updates
-- them. All rows of a key are of one project (relocate.rs).
INSERT INTO gitlab_merge_requests AS t (
    project, iid, project_id, host, state, state_rank, title, draft, source_branch, target_branch, source_project_id,
    target_project_id, author_id, merge_commit_sha, labels, url, last_action, last_actor, created_at, updated_at,
    version_at, place, told, content, source, deleted_at, message_id, message_at,
    sha, head_claims, head_version_at, head_message_at, head_message_id,
    author, author_version_at, author_message_at, author_message_id, merged_at, heard_at
)
SELECT
    i.project, i.iid, i.project_id, i.host, i.state, i.state_rank, i.title, i.draft, i.source_branch, i.target_branch,
    i.source_project_id, i.target_project_id, i.author_id, i.merge_commit_sha,
    ARRAY(SELECT jsonb_array_elements_text(i.labels::jsonb)), i.url, i.last_action, i.last_actor, i.created_at,
    i.updated_at, i.version_at, i.place, i.told, i.content, i.source, i.deleted_at, i.message_id, i.message_at,
    head_of(united_heads('{}', i.head_claims::jsonb)), united_heads('{}', i.head_claims::jsonb),
    i.head_version_at, i.head_message_at, i.head_message_id,
    i.author, i.author_version_at, i.author_message_at, i.author_message_id, i.merged_at, i.heard_at
FROM (
    SELECT unnest($1::text[]) AS project, unnest($2::bigint[]) AS iid, unnest($3::bigint[]) AS project_id,
        unnest($4::text[]) AS host,
        unnest($5::text[]) AS state, unnest($6::smallint[]) AS state_rank, unnest($7::text[]) AS title,
        unnest($8::boolean[]) AS draft, unnest($9::text[]) AS source_branch, unnest($10::text[]) AS target_branch,
        unnest($11::bigint[]) AS source_project_id, unnest($12::bigint[]) AS target_project_id,
        unnest($13::bigint[]) AS author_id, unnest($14::text[]) AS merge_commit_sha, unnest($15::text[]) AS labels,
        unnest($16::text[]) AS url, unnest($17::text[]) AS last_action, unnest($18::text[]) AS last_actor,
        unnest($19::timestamptz[]) AS created_at, unnest($20::timestamptz[]) AS updated_at,
        unnest($21::timestamptz[]) AS version_at, unnest($22::smallint[]) AS place, unnest($23::smallint[]) AS told,
        unnest($24::bigint[]) AS content, unnest($25::text[]) AS source,
        unnest($26::timestamptz[]) AS deleted_at, unnest($27::text[]) AS message_id,
        unnest($28::timestamptz[]) AS message_at, unnest($29::text[]) AS head_claims,
        unnest($30::timestamptz[]) AS head_version_at, unnest($31::timestamptz[]) AS head_message_at,
        unnest($32::text[]) AS head_message_id, unnest($33::text[]) AS author,
        unnest($34::timestamptz[]) AS author_version_at, unnest($35::timestamptz[]) AS author_message_at,
        unnest($36::text[]) AS author_message_id, unnest($37::timestamptz[]) AS merged_at,
        unnest($38::timestamptz[]) AS heard_at
) AS i
ORDER BY i.project, i.iid
ON CONFLICT (project, iid) DO UPDATE SET
    project_id = excluded.project_id, host = excluded.host, state = excluded.state,
    state_rank = excluded.state_rank, title = excluded.title, draft = excluded.draft,
    source_branch = excluded.source_branch, target_branch = excluded.target_branch,
    source_project_id = excluded.source_project_id, target_project_id = excluded.target_project_id,
    author_id = excluded.author_id, merge_commit_sha = excluded.merge_commit_sha, labels = excluded.labels,
    url = excluded.url, last_action = excluded.last_action, last_actor = excluded.last_actor,
    created_at = excluded.created_at, updated_at = excluded.updated_at, version_at = excluded.version_at,
    place = excluded.place, told = excluded.told, content = excluded.content,
    source = excluded.source, deleted_at = excluded.deleted_at, message_id = excluded.message_id,
    message_at = excluded.message_at, received_at = now()
WHERE (t.state = 'merged', t.version_at, t.place, t.state_rank, t.told, t.content)
        < (excluded.state = 'merged', excluded.version_at, excluded.place, excluded.state_rank, excluded.told,
            excluded.content)
    OR ((t.state = 'merged', t.version_at, t.place, t.state_rank, t.told, t.content)
        = (excluded.state = 'merged', excluded.version_at, excluded.place, excluded.state_rank, excluded.told,
            excluded.content)
        AND (t.message_at, t.message_id) > (excluded.message_at, excluded.message_id))
RETURNING t.project, t.iid
