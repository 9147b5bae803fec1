-- list_affected
-- The components that changed files belong to. Input: files that commits changed on a branch of a project. A component
-- is affected if its folder contains one of the files (or is the whole project) and it is built from that branch. A
-- project with the same path on another host is another project, but the host of an SSH URL is not compared, because
-- it can have another name.
WITH folders AS MATERIALIZED (
    SELECT DISTINCT i.sha, i.project, i.branch, i.host, folder.name
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) AS i (sha, project, branch, path, host)
    CROSS JOIN LATERAL (
        SELECT '' AS name
        UNION ALL
        SELECT array_to_string((string_to_array(i.path, '/'))[:n], '/')
        FROM generate_series(1, cardinality(string_to_array(i.path, '/'))) AS n
    ) AS folder
), near AS MATERIALIZED (
    -- Materialised, so that each component is read once: with the index, each folder would read all components of its
    -- project. In the new model each version has a branch and a folder, and some versions are not built.
    SELECT c.name, c.application, c.git_project, CASE WHEN c.git_url LIKE 'http%' THEN c.host END AS host,
        v.context AS git_context, coalesce(v.revision, '') AS revision
    FROM components AS c
    CROSS JOIN LATERAL (
        SELECT c.git_context AS context, c.git_revision AS revision WHERE c.git_versions = '[]'
        UNION ALL
        SELECT coalesce(x ->> 'context', ''), x ->> 'revision'
        FROM jsonb_array_elements(CASE jsonb_typeof(c.git_versions) WHEN 'array' THEN c.git_versions ELSE '[]' END) AS x
        WHERE x ->> 'skip_builds' IS DISTINCT FROM 'true'
    ) AS v
    WHERE c.git_project = ANY ($2) AND c.deleted_at IS NULL AND ($6::text IS NULL OR c.application = $6)
)
SELECT f.sha, c.name, c.application
FROM folders AS f
JOIN near AS c ON c.git_project = f.project AND c.git_context = f.name
    AND coalesce(c.host, f.host, '') = coalesce(f.host, c.host, '')
    AND c.revision IN ('', f.branch, 'refs/heads/' || f.branch)
GROUP BY f.sha, c.name, c.application
ORDER BY f.sha, c.name
LIMIT 20000
