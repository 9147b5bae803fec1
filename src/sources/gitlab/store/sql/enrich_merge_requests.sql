-- enrich_merge_requests
-- Updates the columns that not every message has, each by its own version guard: an outdated message can be the only
-- one with a value. The rows exist and are locked, in order, since upsert_merge_requests. Heads from messages of one
-- second are united.
UPDATE gitlab_merge_requests AS t SET
    sha = CASE WHEN n.head THEN head_of(n.claims) ELSE t.sha END,
    head_claims = CASE WHEN n.head THEN n.claims ELSE t.head_claims END,
    head_version_at = CASE WHEN n.head THEN i.head_version_at ELSE t.head_version_at END,
    head_message_at = CASE WHEN n.head THEN n.head_message_at ELSE t.head_message_at END,
    head_message_id = CASE WHEN n.head THEN n.head_message_id ELSE t.head_message_id END,
    author = CASE WHEN n.author THEN i.author ELSE t.author END,
    author_version_at = CASE WHEN n.author THEN i.author_version_at ELSE t.author_version_at END,
    author_message_at = CASE WHEN n.author THEN i.author_message_at ELSE t.author_message_at END,
    author_message_id = CASE WHEN n.author THEN i.author_message_id ELSE t.author_message_id END,
    merged_at = LEAST(t.merged_at, i.merged_at),
    heard_at = GREATEST(t.heard_at, i.heard_at),
    received_at = now()
FROM (
    SELECT unnest($1::text[]) AS project, unnest($2::bigint[]) AS iid, unnest($3::text[]) AS head_claims,
        unnest($4::timestamptz[]) AS head_version_at, unnest($5::timestamptz[]) AS head_message_at,
        unnest($6::text[]) AS head_message_id, unnest($7::text[]) AS author,
        unnest($8::timestamptz[]) AS author_version_at, unnest($9::timestamptz[]) AS author_message_at,
        unnest($10::text[]) AS author_message_id, unnest($11::timestamptz[]) AS merged_at,
        unnest($12::timestamptz[]) AS heard_at
) AS i
JOIN gitlab_merge_requests AS o ON o.project = i.project AND o.iid = i.iid
CROSS JOIN LATERAL (SELECT
    -- Claims of the same second are united; claims of an older second are discarded.
    CASE WHEN o.head_version_at = i.head_version_at THEN o.head_claims ELSE '{}' END AS known
) AS k
CROSS JOIN LATERAL (SELECT united_heads(k.known, i.head_claims::jsonb) AS claims) AS c
CROSS JOIN LATERAL (
    SELECT m.at, m.id FROM (VALUES
        (i.head_message_at, i.head_message_id),
        (CASE WHEN o.head_version_at = i.head_version_at THEN o.head_message_at END, o.head_message_id)
    ) AS m (at, id) ORDER BY m.at NULLS LAST, m.id LIMIT 1
) AS e (head_message_at, head_message_id)
CROSS JOIN LATERAL (SELECT
    c.claims, e.head_message_at, e.head_message_id,
    i.head_version_at IS NOT NULL AND (o.head_version_at IS NULL OR o.head_version_at < i.head_version_at
        OR (o.head_version_at = i.head_version_at AND (c.claims, e.head_message_at, e.head_message_id)
            IS DISTINCT FROM (o.head_claims, o.head_message_at, o.head_message_id))) AS head,
    i.author IS NOT NULL AND (o.author IS NULL OR (o.author_version_at, o.author COLLATE "C")
        < (i.author_version_at, i.author COLLATE "C")
        OR ((o.author_version_at, o.author) = (i.author_version_at, i.author)
            AND (o.author_message_at, o.author_message_id) > (i.author_message_at, i.author_message_id))) AS author,
    i.merged_at IS NOT NULL AND (o.merged_at IS NULL OR i.merged_at < o.merged_at) AS merged,
    o.heard_at IS NULL OR o.heard_at < i.heard_at AS heard
) AS n
WHERE t.project = i.project AND t.iid = i.iid AND (n.head OR n.author OR n.merged OR n.heard)
RETURNING t.project, t.iid
