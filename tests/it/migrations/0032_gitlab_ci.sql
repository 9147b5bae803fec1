INSERT INTO gitlab_pipelines (host, id, project, project_id, status, source, tag, stages, merges, newest_job, version_at, job_ranks, rank, content,
    ever_bad, message_id)
VALUES ('gitlab.example', 1, 'g/p', 7, 'success', 'push', false, '{test}', false, 1, '2026-03-10T10:00:00Z', 4, 7, 1, false, 'm');
INSERT INTO gitlab_jobs (host, id, pipeline_id, project, project_id, stage, name, check_name, status, allow_failure, tag, version_at, rank,
    content, said, ever_bad, message_id)
VALUES ('gitlab.example', 1, 1, 'g/p', 7, 'test', 'unit', 'test/unit', 'success', false, false, '2026-03-10T10:00:00Z', 4, 1, '{"success": "- m"}', false, 'm');
INSERT INTO gitlab_deployments (host, id, project, project_id, environment, tier, status, version_at, rank, content, message_id)
VALUES ('gitlab.example', '1', 'g/p', 7, 'production', 'production', 'success', '2026-03-10T10:00:00Z', 3, 1, 'm');
