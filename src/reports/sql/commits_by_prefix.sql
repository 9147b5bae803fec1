-- commits_by_prefix
-- Whole hashes of commits that begin with a prefix ($1), of all tables with commits; at most $2. Hashes are in lower
-- case, so that 'g' sorts after all hex digits.
SELECT s.sha
FROM (
    (SELECT p.sha FROM gitlab_pushes AS p WHERE p.sha >= $1::text AND p.sha < $1 || 'g' GROUP BY p.sha LIMIT $2::bigint)
    UNION
    (SELECT k.sha FROM checks AS k WHERE k.sha >= $1 AND k.sha < $1 || 'g' GROUP BY k.sha LIMIT $2)
    UNION
    (SELECT v.sha FROM gitlab_mr_versions AS v WHERE v.sha >= $1 AND v.sha < $1 || 'g' GROUP BY v.sha LIMIT $2)
    UNION
    (SELECT m.sha FROM gitlab_merge_requests AS m WHERE m.sha >= $1 AND m.sha < $1 || 'g' GROUP BY m.sha LIMIT $2)
    UNION
    (SELECT r.sha FROM pipelineruns AS r WHERE r.sha >= $1 AND r.sha < $1 || 'g' GROUP BY r.sha LIMIT $2)
    UNION
    (SELECT n.sha FROM snapshots AS n WHERE n.sha >= $1 AND n.sha < $1 || 'g' GROUP BY n.sha LIMIT $2)
    UNION
    (SELECT l.sha FROM releases AS l WHERE l.sha >= $1 AND l.sha < $1 || 'g' GROUP BY l.sha LIMIT $2)
    UNION
    (SELECT b.commit FROM buildkite_builds AS b
        WHERE b.commit >= $1 AND b.commit < $1 || 'g' GROUP BY b.commit LIMIT $2)
    UNION
    (SELECT t.commit ->> 'sha' FROM travis_builds AS t
    WHERE t.commit ->> 'sha' >= $1 AND t.commit ->> 'sha' < $1 || 'g' GROUP BY 1 LIMIT $2)
    UNION
    (SELECT c.git_commit_hash FROM kcidb_checkouts AS c
    WHERE c.git_commit_hash >= $1 AND c.git_commit_hash < $1 || 'g' GROUP BY c.git_commit_hash LIMIT $2)
) AS s (sha)
WHERE starts_with(s.sha, $1) AND s.sha ~ '^([0-9a-f]{40}|[0-9a-f]{64})$'
ORDER BY s.sha
LIMIT $2
