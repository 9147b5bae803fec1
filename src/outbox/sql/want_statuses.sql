-- want_statuses
-- Commit statuses to post, or (state 'outdated') only to record. The latest version wins; the version guard is
-- Version::is_newer_than. A status that is delivered already, and not superseded by one in flight, needs no post. Once
-- a commit has reached the limit of statuses (`status_cap`), no newer one is tried.
INSERT INTO commit_statuses AS t (
    target, repo, sha, context, name, wanted_state, wanted_description, wanted_url, version_number, version_at,
    version_tie, outbox_id, message_at, state, version_line
)
SELECT
    i.target, i.repo, i.sha, i.context, i.name, i.wanted_state, i.wanted_description, i.wanted_url, i.version_number,
    i.version_at, i.version_tie, i.outbox_id, i.message_at, i.state, i.version_line
FROM (
    SELECT unnest($1::text[]) AS target, unnest($2::text[]) AS repo, unnest($3::text[]) AS sha,
        unnest($4::text[]) AS context, unnest($5::text[]) AS name, unnest($6::text[]) AS wanted_state,
        unnest($7::text[]) AS wanted_description, unnest($8::text[]) AS wanted_url,
        unnest($9::bigint[]) AS version_number, unnest($10::timestamptz[]) AS version_at,
        unnest($11::text[]) AS version_tie, unnest($12::bigint[]) AS outbox_id,
        unnest($13::timestamptz[]) AS message_at, unnest($14::text[]) AS state,
        unnest($15::text[]) AS version_line
) AS i
ORDER BY i.target, i.repo, i.sha, i.context
ON CONFLICT (target, repo, sha, context) DO UPDATE SET
    name = excluded.name,
    wanted_state = excluded.wanted_state,
    wanted_description = excluded.wanted_description,
    wanted_url = excluded.wanted_url,
    wanted_at = now(),
    version_number = excluded.version_number,
    version_at = excluded.version_at,
    version_tie = excluded.version_tie,
    version_line = excluded.version_line,
    outbox_id = excluded.outbox_id,
    message_at = excluded.message_at,
    state = CASE
        WHEN t.state = 'dead' AND t.reason LIKE 'status_cap%' THEN 'dead'
        WHEN t.lease_until IS NULL AND (t.delivered_state, t.delivered_description, t.delivered_url)
            IS NOT DISTINCT FROM (excluded.wanted_state, excluded.wanted_description, excluded.wanted_url)
            THEN 'delivered'
        ELSE excluded.state END,
    reason = CASE WHEN t.reason LIKE 'status_cap%' THEN t.reason END,
    attempts = 0,
    refusals = 0,
    next_attempt_at = coalesce(t.lease_until, now())
WHERE CASE WHEN t.version_line = excluded.version_line OR '' IN (t.version_line, excluded.version_line)
    THEN (t.version_number, t.version_at, t.version_tie)
        < (excluded.version_number, excluded.version_at, excluded.version_tie)
    ELSE (t.version_at, t.version_tie) < (excluded.version_at, excluded.version_tie) END
RETURNING t.state
