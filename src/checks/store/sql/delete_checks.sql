-- delete_checks
-- Deletes the checks of rows that have none any more. Rows are locked in the order of their keys.
WITH gone AS MATERIALIZED (
    SELECT c.system, c.kind, c.key
    FROM (SELECT unnest($1::text[]) AS system, unnest($2::text[]) AS kind, unnest($3::text[]) AS key) AS i
    JOIN checks AS c ON c.system = i.system AND c.kind = i.kind AND c.key = i.key
    ORDER BY c.system, c.kind, c.key
    FOR UPDATE OF c
)
DELETE FROM checks AS t USING gone AS g
WHERE t.system = g.system AND t.kind = g.kind AND t.key = g.key
RETURNING t.system, t.kind, t.key
