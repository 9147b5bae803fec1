-- list_suspects
-- The commits of branches after a place ($3) up to another one ($4), oldest first, with what is known of their pushes;
-- at most $5 of each. item: number of the question, from 1.
SELECT i.item, p.sha, p.place, g.before_sha, g.title, g.author, g.pushed_by, g.url
FROM (
    SELECT q.item, q.repo, q.branch, q.after, q.upto
    FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[])
        WITH ORDINALITY AS q (repo, branch, after, upto, item)
) AS i
CROSS JOIN LATERAL (
    SELECT c.sha, c.place FROM commit_places AS c
    WHERE c.repo = i.repo AND c.branch = i.branch AND c.place > i.after AND c.place <= i.upto
    ORDER BY c.place, c.sha
    LIMIT $5
) AS p
LEFT JOIN gitlab_pushes AS g ON g.sha = p.sha AND g.repo = i.repo AND g.ref = i.branch
ORDER BY i.item, p.place, p.sha
