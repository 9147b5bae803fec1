-- project_checks
-- What the checks of checkouts are made of, without those that have patches: their code is not that of the commit. The
-- lock of kcidb_settle_lock is held. statuses: those of $1 that a build or a test has. builds_at: the time of the
-- newest message about a build. Of the tests only the index is read: a checkout has tens of thousands of them.
SELECT
    c.id, c.origin, c.tree_name, c.git_repository_url, c.git_repository_branch, c.git_commit_hash, c.valid,
    c.start_time, c.origin_tests_finish_time, c.log_url, c.message_at, p.builds_finish_time, p.tests_finish_time, p.builds,
    p.builds_running, p.builds_unplanned, p.tests_running, 0::bigint AS untriaged,
    (SELECT max(b.message_at) FROM kcidb_builds AS b WHERE b.checkout_id = c.id) AS builds_at,
    ARRAY(
        SELECT s.status
        FROM unnest($1::text[]) AS s (status)
        WHERE (
            SELECT bool_or(b.status IS NOT DISTINCT FROM s.status OR (
                SELECT true FROM kcidb_tests AS t WHERE t.build_id = b.id AND t.status = s.status LIMIT 1
            ))
            FROM kcidb_builds AS b
            WHERE b.checkout_id = c.id
        )
    ) AS statuses
FROM kcidb_checkouts AS c
JOIN kcidb_progress AS p ON p.id = c.id
WHERE c.id = ANY ($2::text[]) AND coalesce(c.patchset_hash, '') = '' AND coalesce(c.patchset_files, '[]') = '[]'
ORDER BY c.id
