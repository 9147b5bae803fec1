-- take_verdict_changes
-- Takes noted commits; nothing while another process announces verdicts. is_alone: whether this transaction announces.
WITH alone AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(7205931002) AS is_alone),
taken AS (
    DELETE FROM verdict_changes AS c USING alone AS a
    WHERE a.is_alone AND c.id = ANY ($1::bigint[])
    RETURNING c.id
)
SELECT a.is_alone, coalesce((SELECT array_agg(t.id) FROM taken AS t), '{}') AS ids FROM alone AS a
