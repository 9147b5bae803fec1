-- note_verdict_changes
-- Notes commits whose checks have changed, while a target asks for verdicts. silent: nothing is announced of them.
INSERT INTO verdict_changes (repo, sha, silent)
SELECT i.repo, i.sha, i.silent
FROM (
    SELECT unnest($1::text[]) AS repo, unnest($2::text[]) AS sha, unnest($3::boolean[]) AS silent
) AS i
WHERE EXISTS (
    SELECT FROM delivery_targets AS t WHERE t.disabled_at IS NULL AND t.rules ->> 'verdict' IS NOT NULL
)
RETURNING 1
