-- upsert_checks
-- A check is a function of the row of its source, and this transaction holds the lock of that row: so the check is
-- never older than the stored one, and the guard only leaves out those that are equal.
INSERT INTO checks AS t (
    system, kind, key, stage, name, host, repo, sha, branch, mr, lane, run, attempt, attempt_is_whole, seq, state,
    original, warn, optional, ever_bad, waived_by, url, log_url, created_at, started_at, finished_at, changed_at,
    stuck_since
)
SELECT
    i.system, i.kind, i.key, i.stage, i.name, i.host, i.repo, i.sha, i.branch, i.mr, i.lane, i.run, i.attempt,
    i.attempt_is_whole, i.seq, i.state, i.original, i.warn, i.optional, i.ever_bad, i.waived_by, i.url, i.log_url,
    i.created_at, i.started_at, i.finished_at, i.changed_at, i.stuck_since
FROM (
    SELECT unnest($1::text[]) AS system, unnest($2::text[]) AS kind, unnest($3::text[]) AS key,
        unnest($4::text[]) AS stage, unnest($5::text[]) AS name, unnest($6::text[]) AS host,
        unnest($7::text[]) AS repo, unnest($8::text[]) AS sha, unnest($9::text[]) AS branch,
        unnest($10::bigint[]) AS mr, unnest($11::text[]) AS lane, unnest($12::text[]) AS run,
        unnest($13::integer[]) AS attempt, unnest($14::boolean[]) AS attempt_is_whole, unnest($15::bigint[]) AS seq,
        unnest($16::text[]) AS state, unnest($17::text[]) AS original, unnest($18::boolean[]) AS warn,
        unnest($19::boolean[]) AS optional, unnest($20::boolean[]) AS ever_bad, unnest($21::text[]) AS waived_by,
        unnest($22::text[]) AS url, unnest($23::text[]) AS log_url, unnest($24::timestamptz[]) AS created_at,
        unnest($25::timestamptz[]) AS started_at, unnest($26::timestamptz[]) AS finished_at,
        unnest($27::timestamptz[]) AS changed_at, unnest($28::timestamptz[]) AS stuck_since
) AS i
ORDER BY i.system, i.kind, i.key
ON CONFLICT (system, kind, key) DO UPDATE SET
    stage = excluded.stage, name = excluded.name, host = excluded.host, repo = excluded.repo, sha = excluded.sha,
    branch = excluded.branch, mr = excluded.mr, lane = excluded.lane, run = excluded.run,
    attempt = excluded.attempt, attempt_is_whole = excluded.attempt_is_whole, seq = excluded.seq,
    state = excluded.state, original = excluded.original, warn = excluded.warn, optional = excluded.optional,
    ever_bad = excluded.ever_bad, waived_by = excluded.waived_by, url = excluded.url, log_url = excluded.log_url,
    created_at = excluded.created_at, started_at = excluded.started_at, finished_at = excluded.finished_at,
    changed_at = excluded.changed_at, stuck_since = excluded.stuck_since
WHERE (t.stage, t.name, t.host, t.repo, t.sha, t.branch, t.mr, t.lane, t.run, t.attempt, t.attempt_is_whole, t.seq,
        t.state, t.original, t.warn, t.optional, t.ever_bad, t.waived_by, t.url, t.log_url, t.created_at,
        t.started_at, t.finished_at, t.changed_at, t.stuck_since)
    IS DISTINCT FROM (excluded.stage, excluded.name, excluded.host, excluded.repo, excluded.sha, excluded.branch,
        excluded.mr, excluded.lane, excluded.run, excluded.attempt, excluded.attempt_is_whole, excluded.seq,
        excluded.state, excluded.original, excluded.warn, excluded.optional, excluded.ever_bad, excluded.waived_by,
        excluded.url, excluded.log_url, excluded.created_at, excluded.started_at, excluded.finished_at,
        excluded.changed_at, excluded.stuck_since)
RETURNING t.system, t.kind, t.key
