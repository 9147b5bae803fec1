-- delete_commit_places
-- Deletes commits that have neither a push nor a check. The commits are locked.
DELETE FROM commit_places AS t
USING (SELECT unnest($1::text[]) AS repo, unnest($2::text[]) AS branch, unnest($3::text[]) AS sha) AS i
WHERE t.repo = i.repo AND t.branch = i.branch AND t.sha = i.sha AND t.place IS NULL
RETURNING t.repo, t.branch, t.sha
