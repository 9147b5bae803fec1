-- What makes a state of GitLab newer than another, without the time of the message: a webhook that is delivered again, late or by a
-- second hook, changes nothing (src/gitlab/record.rs, Stamp). Rows of before have the least of each, so that the next message counts.

-- place: among the changes of one second. told: how much the message tells. content: a hash of what it says.
-- head_claims: what messages of one second say of the head: 'sha', 'sha oldrev', or of the API '!microseconds sha'.
ALTER TABLE gitlab_merge_requests
    ADD COLUMN place smallint NOT NULL DEFAULT 0,
    ADD COLUMN told smallint NOT NULL DEFAULT 0,
    ADD COLUMN content bigint NOT NULL DEFAULT 0,
    ADD COLUMN head_claims text[] COLLATE "C" NOT NULL DEFAULT '{}';

-- The head of a merge request: what the API said last; else a head that no message says was replaced, by a push rather than mentioned.
CREATE FUNCTION head_of(claims text[]) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE WHEN c.claim LIKE '!%' THEN split_part(c.claim, ' ', 2) ELSE split_part(c.claim, ' ', 1) END
FROM unnest(claims) AS c (claim)
ORDER BY c.claim LIKE '!%' DESC,
    NOT EXISTS (
        SELECT FROM unnest(claims) AS o (claim)
        WHERE o.claim NOT LIKE '!%' AND split_part(o.claim, ' ', 2) = split_part(c.claim, ' ', 1)
            AND split_part(o.claim, ' ', 1) <> split_part(c.claim, ' ', 1)
    ) DESC,
    split_part(c.claim, ' ', 2) <> '' DESC, c.claim COLLATE "C" DESC
LIMIT 1
$$;

-- Two sets of claims as one: each once, in order, of the API the last; no more than 64, which no second of a real one has.
CREATE FUNCTION united_heads(known text[], more jsonb) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT ARRAY(
    SELECT c.claim FROM (
        SELECT k.claim COLLATE "C" AS claim FROM unnest(known) AS k (claim)
        UNION SELECT m.claim COLLATE "C" FROM jsonb_array_elements_text(more) AS m (claim)
    ) AS c (claim)
    WHERE c.claim NOT LIKE '!%' OR NOT EXISTS (
        SELECT FROM unnest(known) AS k (claim) WHERE k.claim LIKE '!%' AND k.claim COLLATE "C" > c.claim
        UNION ALL
        SELECT FROM jsonb_array_elements_text(more) AS m (claim) WHERE m.claim LIKE '!%' AND m.claim COLLATE "C" > c.claim
    )
    ORDER BY c.claim LIMIT 64
)
$$;

-- A branch may be pushed back to a commit that it has had: times has a time in microseconds for each head before ('' for none).
-- pushed_at is the latest of them, first_pushed_at the earliest, from which lead times count.
ALTER TABLE gitlab_pushes
    ADD COLUMN times jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN first_pushed_at timestamptz;

CREATE FUNCTION pushed_at(times jsonb) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT timestamptz '1970-01-01T00:00:00Z' + max(e.at::bigint) * interval '1 microsecond' FROM jsonb_each_text(times) AS e (before, at)
$$;

CREATE FUNCTION first_pushed_at(times jsonb) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT timestamptz '1970-01-01T00:00:00Z' + min(e.at::bigint) * interval '1 microsecond' FROM jsonb_each_text(times) AS e (before, at)
$$;

-- The times of a row, which one from before has only as pushed_at.
CREATE FUNCTION times_of(times jsonb, before text, at timestamptz) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE WHEN times = '{}' AND at IS NOT NULL
    THEN jsonb_build_object(coalesce(before, ''), (extract(epoch FROM at) * 1000000)::bigint) ELSE times END
$$;

-- Two sets of times as one: of each head before the earliest; of no more than 64 heads.
CREATE FUNCTION united_times(known jsonb, more jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT coalesce(jsonb_object_agg(e.before, e.at), '{}') FROM (
    SELECT u.before, min(u.at::bigint) AS at
    FROM (SELECT * FROM jsonb_each_text(known) UNION ALL SELECT * FROM jsonb_each_text(more)) AS u (before, at)
    GROUP BY u.before ORDER BY u.before COLLATE "C" LIMIT 64
) AS e
$$;

-- When a change was made: the first push of its commit.
CREATE OR REPLACE VIEW dora_lead_times AS
SELECT d.system, d.project, d.id, d.sha, p.pushed_at, d.at AS deployed_at, d.at - p.pushed_at AS lead_time
FROM dora_deployments AS d
CROSS JOIN LATERAL (
    SELECT min(coalesce(p.first_pushed_at, p.pushed_at)) AS pushed_at FROM gitlab_pushes AS p WHERE p.sha = d.sha
) AS p
WHERE d.succeeded AND p.pushed_at <= d.at;
