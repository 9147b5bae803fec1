-- lock_series
-- Locks series, in the order of their ids; those without a row get one.
INSERT INTO series AS t (id, system, host, repo, branch, lane, name)
SELECT i.id, i.system, i.host, i.repo, i.branch, i.lane, i.name
FROM (
    SELECT unnest($1::text[])::uuid AS id, unnest($2::text[]) AS system, unnest($3::text[]) AS host,
        unnest($4::text[]) AS repo, unnest($5::text[]) AS branch, unnest($6::text[]) AS lane,
        unnest($7::text[]) AS name
) AS i
ORDER BY i.id
-- The id is a function of the other columns: a row is locked and never changed here.
ON CONFLICT (id) DO UPDATE SET
    system = excluded.system, host = excluded.host, repo = excluded.repo, branch = excluded.branch,
    lane = excluded.lane, name = excluded.name
WHERE false
RETURNING t.id::text
