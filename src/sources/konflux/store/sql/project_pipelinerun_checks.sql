-- project_pipelinerun_checks
-- What the checks of builds and tests are made of. Runs of releases are attempts of their Release.
SELECT p.name, p.type, p.application, p.component, p.scenario, p.host, p.project, p.sha, p.event, p.target_branch,
    p.source_branch, p.mr_iid, p.state, p.verdict, p.labels ->> 'test.appstudio.openshift.io/optional' AS optional,
    p.ever_bad, p.rank, p.log_url, p.created_at, p.started_at, p.finished_at, p.deleted_at, p.message_at
FROM pipelineruns AS p
WHERE p.name = ANY ($1::text[]) AND p.type IN ('build', 'test')
ORDER BY p.name
