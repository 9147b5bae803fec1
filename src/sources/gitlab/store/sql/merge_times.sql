-- merge_times
-- Seconds from opening to merging, for all projects together (project is null) and for each: over the newest 10,000
-- merge requests that were merged since a time ($1).
SELECT m.project, count(*) AS merged,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM m.merged_at - m.created_at)) AS p50,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY extract(epoch FROM m.merged_at - m.created_at)) AS p90
FROM (
    SELECT k.project, k.created_at, k.merged_at FROM gitlab_merge_requests AS k
    WHERE k.state = 'merged' AND k.version_at >= $1 AND k.merged_at >= $1::timestamptz AND k.merged_at >= k.created_at
    ORDER BY k.version_at DESC
    LIMIT 10000
) AS m
GROUP BY GROUPING SETS ((), (m.project))
HAVING count(*) > 0
ORDER BY merged DESC, m.project NULLS FIRST
LIMIT $2
