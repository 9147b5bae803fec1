-- kcidb_list_checkouts_oldest
-- Oldest first, after the time $8 and the id $9 if given. $5: whether the checkout, a build or a test failed; $6:
-- whether all of its tests have finished. Conditions without an index are evaluated on the first rows that match the
-- others: text and finished on 10,000, failed on 1,000.
SELECT c.id, c.origin, c.tree_name, c.git_repository_url,
    c.git_repository_branch, c.git_commit_hash, c.git_commit_name,
    c.patchset_hash, c.comment, c.start_time, c.log_url, c.valid,
    coalesce(c.start_time, c.message_at, c.received_at) AS at,
    m.milestones, m.overdue, c.message_id, c.message_at
FROM (
    SELECT * FROM kcidb_checkouts AS k
    WHERE ($1::text IS NULL OR k.origin = $1)
        AND ($2::text IS NULL OR k.tree_name = $2)
        AND ($3::text IS NULL OR k.git_repository_branch = $3)
        AND ($7::timestamptz IS NULL OR coalesce(k.start_time, k.message_at, k.received_at) >= $7)
        AND ($8::timestamptz IS NULL
            OR (coalesce(k.start_time, k.message_at, k.received_at), k.id) > ($8, $9::text))
    ORDER BY coalesce(k.start_time, k.message_at, k.received_at), k.id
    LIMIT CASE
        WHEN $5::boolean IS NOT NULL THEN 1000
        WHEN $4::text IS NOT NULL OR $6::boolean IS NOT NULL THEN 10000
        ELSE $10::bigint
    END
) AS c
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(m.milestone ORDER BY array_position(
            '{build_setups_finished,tests_finished,ready_to_report}', m.milestone)), '{}') AS milestones,
        coalesce(bool_or(m.overdue), false) AS overdue
    FROM kcidb_milestones AS m WHERE m.checkout_id = c.id
) AS m
WHERE ($4 IS NULL OR strpos(
        lower(concat_ws(
            ' ', c.id, c.tree_name, c.git_commit_name, c.git_commit_hash, c.git_repository_branch, c.comment
        ) COLLATE "default"),
        lower($4)) > 0)
    AND ($6 IS NULL OR $6 = ('tests_finished' = ANY (m.milestones)))
    AND ($5 IS NULL OR $5 = (c.valid IS FALSE
        OR EXISTS (SELECT FROM kcidb_builds AS b WHERE b.checkout_id = c.id AND b.status IN ('FAIL', 'ERROR'))
        OR EXISTS (SELECT FROM kcidb_builds AS b WHERE b.checkout_id = c.id AND EXISTS (
            SELECT FROM kcidb_tests AS t WHERE t.build_id = b.id AND t.status IN ('FAIL', 'ERROR')))))
ORDER BY coalesce(c.start_time, c.message_at, c.received_at), c.id
LIMIT $10
