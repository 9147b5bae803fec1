-- Some rows for every table as migration 1 leaves it: a live and a deleted object, a replaced one, versions, refusals.
-- Taken from a database that held the fixtures; never edited once merged, as the migration itself.

INSERT INTO components (
    name, namespace, cluster, uid, resource_version, created_at, rank, tie, application, git_url, git_project,
    git_revision, git_context, git_versions, container_image, last_built_commit, last_promoted_image,
    deleted_at, message_id, message_at, received_at
)
SELECT
    name, namespace, cluster, uid, resource_version, created_at, rank, tie, application, git_url, git_project,
    git_revision, git_context, git_versions, container_image, last_built_commit, last_promoted_image,
    deleted_at, message_id, message_at, received_at
FROM jsonb_populate_recordset(NULL::components, $json$[
{"tie": 0, "uid": "bdb28ff0-055f-4c95-9366-095e4cca7cb5", "name": "expat-main", "rank": 2, "git_url": "https://gitlab.com/redhat/hummingbird/rpms.git", "namespace": "hummingbird-tenant", "created_at": "2026-01-12T08:20:23+00:00", "deleted_at": "2026-03-12T11:00:00+00:00", "message_id": "sha256:27c08213dfacc3b5428b13a30720ea2a", "application": "rpms-main", "git_context": "rpms/expat", "git_project": "redhat/hummingbird/rpms", "received_at": "2026-03-12T12:00:00+00:00", "git_revision": "main", "git_versions": [], "container_image": "quay.io/hummingbird-tenant/rpms-main/expat-main", "resource_version": 1006626742, "last_built_commit": "78e9a2974ab9003f99ee1f003b72bf6b6666a8ca", "last_promoted_image": "quay.io/hummingbird-tenant/rpms-main/expat-main@sha256:f43c6c54ff79819c089007296579c5257e90b2613fa1123f12def91fa83e5374"},
{"tie": -1773208802482000, "uid": "c11d6e7d-78f6-4fc3-a2e5-242e3bec143a", "name": "zlib-main", "rank": 0, "cluster": "kflux-prd-rh03", "git_url": "https://gitlab.com/redhat/hummingbird/rpms.git", "namespace": "hummingbird-tenant", "created_at": "2026-01-12T08:20:14+00:00", "message_at": "2026-03-11T06:00:02.482+00:00", "message_id": "15c9b183-9346-4755-8cbe-d06efcf24c04", "application": "rpms-main", "git_context": "rpms/zlib", "git_project": "redhat/hummingbird/rpms", "received_at": "2026-03-12T12:00:00+00:00", "git_revision": "main", "git_versions": [], "container_image": "quay.io/hummingbird-tenant/rpms-main/zlib-main", "resource_version": 937053951, "last_built_commit": "392c619d390592f9e168f7ae3abb3ca773079460", "last_promoted_image": "quay.io/hummingbird-tenant/rpms-main/zlib-main@sha256:8c4d6d8aa10d523f6b439347b1a11d6c23d813e1c8d1cdd2be85bbcf8e306ced"}
]$json$);

INSERT INTO gitlab_merge_requests (
    project, iid, project_id, state, state_rank, title, draft, source_branch, target_branch, source_project_id,
    target_project_id, author_id, merge_commit_sha, labels, url, last_action, last_actor, created_at,
    updated_at, version_at, source, deleted_at, message_id, message_at, sha, head_version_at, head_message_at,
    head_message_id, author, author_version_at, author_message_at, author_message_id, merged_at, received_at
)
SELECT
    project, iid, project_id, state, state_rank, title, draft, source_branch, target_branch, source_project_id,
    target_project_id, author_id, merge_commit_sha, labels, url, last_action, last_actor, created_at,
    updated_at, version_at, source, deleted_at, message_id, message_at, sha, head_version_at, head_message_at,
    head_message_id, author, author_version_at, author_message_at, author_message_id, merged_at, received_at
FROM jsonb_populate_recordset(NULL::gitlab_merge_requests, $json$[
{"iid": 240, "url": "https://gitlab.com/redhat/hummingbird/rpms/-/merge_requests/240", "draft": false, "state": "closed", "title": "libyaml: Fix a typo", "labels": [], "source": "webhook", "project": "redhat/hummingbird/rpms", "author_id": 9000101, "created_at": "2026-03-11T16:00:30+00:00", "last_actor": "kexample", "message_at": "2026-03-12T10:11:12+00:00", "message_id": "gitlab/merge-request-last-commit-null.json", "project_id": 61234567, "state_rank": 2, "updated_at": "2026-03-12T10:11:12+00:00", "version_at": "2026-03-12T10:11:12+00:00", "last_action": "close", "received_at": "2026-03-12T12:00:00+00:00", "source_branch": "patch-1", "target_branch": "main", "source_project_id": 70000001, "target_project_id": 61234567},
{"iid": 231, "sha": "def0a42d0714ddd3cae900d9c1c4c14230ca8f2c", "url": "https://gitlab.com/redhat/hummingbird/rpms/-/merge_requests/231", "draft": false, "state": "opened", "title": "PyYAML, zlib: Build with the new flags", "author": "rexample", "labels": ["rebuild"], "source": "webhook", "project": "redhat/hummingbird/rpms", "author_id": 9000101, "created_at": "2026-03-10T09:00:12+00:00", "last_actor": "kexample", "message_at": "2026-03-10T09:07:38.902+00:00", "message_id": "f1c93e35-2d6a-472e-9cf7-fa1b2f9630c8", "project_id": 61234567, "state_rank": 0, "updated_at": "2026-03-10T09:07:38+00:00", "version_at": "2026-03-10T09:07:38+00:00", "last_action": "approved", "received_at": "2026-03-12T12:00:00+00:00", "source_branch": "update-pyyaml", "target_branch": "main", "head_message_at": "2026-03-10T09:07:38.902+00:00", "head_message_id": "f1c93e35-2d6a-472e-9cf7-fa1b2f9630c8", "head_version_at": "2026-03-10T09:07:38+00:00", "author_message_at": "2026-03-10T09:07:38.611+00:00", "author_message_id": "4ebc28b1-f4cf-4896-b4f6-8fd278d60052", "author_version_at": "2026-03-10T09:07:38+00:00", "source_project_id": 61234567, "target_project_id": 61234567}
]$json$);

INSERT INTO gitlab_mr_versions (
    project, iid, sha, head_at, head_message_at, head_message_id, seen_at, seen_message_at, seen_message_id,
    received_at
)
SELECT
    project, iid, sha, head_at, head_message_at, head_message_id, seen_at, seen_message_at, seen_message_id,
    received_at
FROM jsonb_populate_recordset(NULL::gitlab_mr_versions, $json$[
{"iid": 231, "sha": "0be6c560c2260ae8e356edbcf7ab1b5c770752ad", "project": "redhat/hummingbird/rpms", "seen_at": "2026-03-10T09:07:37+00:00", "received_at": "2026-03-12T12:00:00+00:00", "seen_message_at": "2026-03-10T09:07:38.611+00:00", "seen_message_id": "4ebc28b1-f4cf-4896-b4f6-8fd278d60052"},
{"iid": 231, "sha": "def0a42d0714ddd3cae900d9c1c4c14230ca8f2c", "head_at": "2026-03-10T09:07:38+00:00", "project": "redhat/hummingbird/rpms", "seen_at": "2026-03-10T09:07:38+00:00", "received_at": "2026-03-12T12:00:00+00:00", "head_message_at": "2026-03-10T09:07:38.611+00:00", "head_message_id": "4ebc28b1-f4cf-4896-b4f6-8fd278d60052", "seen_message_at": "2026-03-10T09:07:38.611+00:00", "seen_message_id": "4ebc28b1-f4cf-4896-b4f6-8fd278d60052"}
]$json$);

INSERT INTO gitlab_pushes (
    sha, repo, ref, project_id, default_branch, before_sha, pushed_at, committed_at, title, author, pushed_by,
    url, commit_count, changed_files, files_complete, message_id, message_at, received_at
)
SELECT
    sha, repo, ref, project_id, default_branch, before_sha, pushed_at, committed_at, title, author, pushed_by,
    url, commit_count, changed_files, files_complete, message_id, message_at, received_at
FROM jsonb_populate_recordset(NULL::gitlab_pushes, $json$[
{"ref": "main", "sha": "8389e378305e02a00df4fd8ef00d8a495e6bb9ae", "url": "https://gitlab.com/redhat/hummingbird/rpms/-/commit/8389e378305e02a00df4fd8ef00d8a495e6bb9ae", "repo": "redhat/hummingbird/rpms", "title": "Merge branch 'update-pyyaml' into 'main'", "author": "Kim Example", "pushed_at": "2026-03-10T11:15:01+00:00", "pushed_by": "kexample", "before_sha": "eda1824653c860a6806226bff05f8a031c148c56", "message_id": "gitlab/push-main.json", "project_id": 61234567, "received_at": "2026-03-12T12:00:00+00:00", "commit_count": 3, "committed_at": "2026-03-10T11:15:01+00:00", "changed_files": ["rpms/PyYAML/0001-upstream.patch", "rpms/PyYAML/0002-new-flags.patch", "rpms/PyYAML/PyYAML.spec", "rpms/zlib/zlib.spec"], "default_branch": "main", "files_complete": true}
]$json$);

INSERT INTO pipelineruns (
    name, namespace, cluster, uid, resource_version, created_at, rank, tie, type, type_label, application,
    component, sha, project, mr_iid, event, target_branch, source_branch, snapshot, scenario, release_name,
    release_namespace, state, status, reason, message, verdict, started_at, finished_at, image_url,
    image_digest, log_url, results, labels, deleted_at, message_id, message_at, received_at
)
SELECT
    name, namespace, cluster, uid, resource_version, created_at, rank, tie, type, type_label, application,
    component, sha, project, mr_iid, event, target_branch, source_branch, snapshot, scenario, release_name,
    release_namespace, state, status, reason, message, verdict, started_at, finished_at, image_url,
    image_digest, log_url, results, labels, deleted_at, message_id, message_at, received_at
FROM jsonb_populate_recordset(NULL::pipelineruns, $json$[
{"sha": "78e9a2974ab9003f99ee1f003b72bf6b6666a8ca", "tie": 0, "uid": "348825cb-61e6-4e3d-9727-e084bcf172fc", "name": "managed-c5p8d", "rank": 1, "type": "release", "event": "push", "state": "succeeded", "labels": {"release.appstudio.openshift.io/attempt": "1"}, "reason": "Completed", "status": "True", "message": "Tasks Completed: 11 (Failed: 0, Cancelled 0), Skipped: 1", "project": "redhat/hummingbird/rpms", "results": {}, "snapshot": "rpms-main-20260312-081144-502", "namespace": "rhtap-releng-tenant", "created_at": "2026-03-12T08:20:00+00:00", "message_id": "konflux/pipelinerun-name-reused-newer-uid.json", "started_at": "2026-03-12T08:20:00+00:00", "type_label": "managed", "application": "rpms-main", "finished_at": "2026-03-12T08:29:30+00:00", "received_at": "2026-03-12T12:00:00+00:00", "release_name": "rpms-main-20260312-081144-502-9d2be11-k8s2w", "target_branch": "main", "resource_version": 412233, "release_namespace": "hummingbird-tenant"},
{"sha": "def0a42d0714ddd3cae900d9c1c4c14230ca8f2c", "tie": -1773136307518000, "uid": "864b74dd-4430-4617-ac2b-f5d73ecba8e9", "name": "rpms-main-testing-farm-aarch64-w8x2c", "rank": 1, "type": "test", "event": "Merge Request", "state": "succeeded", "labels": {"test.appstudio.openshift.io/type": "component"}, "mr_iid": 231, "reason": "Succeeded", "status": "True", "cluster": "kflux-prd-rh03", "log_url": "https://konflux.example.com/ns/hummingbird-tenant/pipelinerun/rpms-main-testing-farm-aarch64-w8x2c", "message": "Tasks Completed: 2 (Failed: 0, Cancelled 0), Skipped: 0", "project": "redhat/hummingbird/rpms", "results": {"TEST_OUTPUT": "{\"timestamp\":\"1773136307\",\"namespace\":\"\",\"successes\":22,\"failures\":2,\"warnings\":0,\"result\":\"FAILURE\"}\n"}, "verdict": "failed", "scenario": "rpms-main-testing-farm-aarch64", "snapshot": "rpms-main-20260310-091935-117", "component": "pyyaml-main", "namespace": "hummingbird-tenant", "created_at": "2026-03-10T09:19:40+00:00", "message_at": "2026-03-10T09:51:47.518+00:00", "message_id": "3f7e6314-7ddc-4569-98a8-cedb6d7d4849", "started_at": "2026-03-10T09:19:40+00:00", "type_label": "test", "application": "rpms-main", "finished_at": "2026-03-10T09:51:47+00:00", "received_at": "2026-03-12T12:00:00+00:00", "target_branch": "main", "resource_version": 1000081672},
{"sha": "def0a42d0714ddd3cae900d9c1c4c14230ca8f2c", "tie": -1773134376531000, "uid": "ee942d73-f4e2-4f91-8a9b-dc2187208446", "name": "pyyaml-main-on-pull-request-m4tzb", "rank": 1, "type": "build", "event": "Merge Request", "state": "succeeded", "labels": {"app.kubernetes.io/version": "v0.41.1", "app.kubernetes.io/managed-by": "pipelinesascode.tekton.dev"}, "mr_iid": 231, "reason": "Completed", "status": "True", "cluster": "kflux-prd-rh03", "log_url": "https://konflux.example.com/ns/hummingbird-tenant/pipelinerun/pyyaml-main-on-pull-request-m4tzb", "message": "Tasks Completed: 5 (Failed: 0, Cancelled 0), Skipped: 1", "project": "redhat/hummingbird/rpms", "results": {"SHOULD_RELEASE": "false"}, "snapshot": "rpms-main-20260310-091935-117", "component": "pyyaml-main", "image_url": "quay.io/hummingbird-tenant/rpms-main/pyyaml-main:on-pr-def0a42d0714ddd3cae900d9c1c4c14230ca8f2c", "namespace": "hummingbird-tenant", "created_at": "2026-03-10T09:07:45+00:00", "message_at": "2026-03-10T09:19:36.531+00:00", "message_id": "a6a604dc-1c4f-4d24-b668-5fc761e26f88", "started_at": "2026-03-10T09:07:48+00:00", "type_label": "build", "application": "rpms-main", "finished_at": "2026-03-10T09:19:30+00:00", "received_at": "2026-03-12T12:00:00+00:00", "image_digest": "sha256:72e17c087298af3f654129bcc424e2687f725aefcf5c99b943e2a2e8d6add81e", "source_branch": "update-pyyaml", "target_branch": "main", "resource_version": 1000010243}
]$json$);

INSERT INTO refused (
    id, sent_at, family, reason, detail, attributes, body, received_at
)
SELECT
    id, sent_at, family, reason, detail, attributes, body, received_at
FROM jsonb_populate_recordset(NULL::refused, $json$[
{"id": "8d9f71c9-94dd-4c7e-8fcd-08e80e92b855", "body": "\\x757073747265616d20636f6e6e656374206572726f72206f7220646973636f6e6e6563742f7265736574206265666f72652068656164657273207b", "detail": "text of 59 bytes that is neither JSON nor base64", "reason": "not-json", "sent_at": "2026-03-12T10:00:00.734+00:00", "attributes": {}, "received_at": "2026-03-12T12:00:00+00:00"},
{"id": "0aee5774-3df8-4c77-9b98-f3f734ed34a1", "body": "\\x7b2254797065223a224e6f74696669636174696f6e222c224d6573736167654964223a2265373465323135642d663435642d346231382d623934612d313739663861303234396239222c22546f70696341726e223a2261726e3a6177733a736e733a75732d656173742d313a3132333435363738393031323a6d796170702d70726f642d6576656e7473222c224d657373616765223a224834734941414141414141432f2b7a4d4d5737444d417746304b73556d704d5758584f4b6f6b4e334f535a61495a457378", "detail": "EOF while parsing a string at line 1 column 200", "reason": "not-json", "sent_at": "2026-03-12T10:00:01.809+00:00", "attributes": {}, "received_at": "2026-03-12T12:00:00+00:00"},
{"id": "a99d76a6-d2c5-42c2-a611-17340a0ffd42", "body": "\\x7b2254797065223a224e6f74696669636174696f6e222c224d6573736167654964223a2234376138643133332d356561392d343930622d623530362d343465666638313032323538222c224d657373616765223a7b2254797065223a224e6f74696669636174696f6e222c224d6573736167654964223a2232346636653861622d313534662d343633372d613062362d623961336135376265386137222c224d657373616765223a7b2254797065223a224e6f74696669636174696f6e222c224d65737361676549", "detail": "EOF while parsing a string at line 1 column 200", "reason": "not-json", "sent_at": "2026-03-12T10:00:08.478+00:00", "attributes": {}, "received_at": "2026-03-12T12:00:00+00:00"}
]$json$);

INSERT INTO releases (
    name, namespace, cluster, uid, resource_version, created_at, rank, tie, application, component, snapshot,
    release_plan, target, sha, project, mr_iid, automated, author, state, reason, message, failed_phase,
    release_plr, release_plr_namespace, attempt_count, attempts, failure_reason, last_task, started_at,
    finished_at, expires_at, conditions, deleted_at, message_id, message_at, received_at
)
SELECT
    name, namespace, cluster, uid, resource_version, created_at, rank, tie, application, component, snapshot,
    release_plan, target, sha, project, mr_iid, automated, author, state, reason, message, failed_phase,
    release_plr, release_plr_namespace, attempt_count, attempts, failure_reason, last_task, started_at,
    finished_at, expires_at, conditions, deleted_at, message_id, message_at, received_at
FROM jsonb_populate_recordset(NULL::releases, $json$[
{"sha": "8389e378305e02a00df4fd8ef00d8a495e6bb9ae", "tie": -1773142583547000, "uid": "0126e53c-7a53-4750-b058-487f25863226", "name": "rpms-main-20260310-112901-230-8389e37-q5w8e", "rank": 0, "state": "succeeded", "author": "kexample", "reason": "Succeeded", "target": "hummingbird-tenant", "cluster": "kflux-prd-rh03", "project": "redhat/hummingbird/rpms", "attempts": [], "snapshot": "rpms-main-20260310-112901-230", "automated": true, "component": "pyyaml-main", "namespace": "hummingbird-tenant", "conditions": [{"type": "FinalPipelineProcessed", "reason": "Skipped", "status": "True"}, {"type": "ManagedPipelineProcessed", "reason": "Skipped", "status": "True"}, {"type": "Released", "reason": "Succeeded", "status": "True"}, {"type": "TenantPipelineProcessed", "reason": "Succeeded", "status": "True"}, {"type": "Validated", "reason": "Succeeded", "status": "True"}], "created_at": "2026-03-10T11:31:42+00:00", "expires_at": "2026-03-17T11:31:42+00:00", "message_at": "2026-03-10T11:36:23.547+00:00", "message_id": "42e92b3b-b569-45ee-8984-71dead42ba9b", "started_at": "2026-03-10T11:31:42+00:00", "application": "rpms-main", "finished_at": "2026-03-10T11:36:22+00:00", "received_at": "2026-03-12T12:00:00+00:00", "release_plr": "tenant-m3n6b", "release_plan": "rpms-main-nightly", "attempt_count": 0, "resource_version": 1000313894, "release_plr_namespace": "hummingbird-tenant"},
{"sha": "8389e378305e02a00df4fd8ef00d8a495e6bb9ae", "tie": 0, "uid": "03b5599c-5beb-42ed-b451-8a3628f9a763", "name": "rpms-main-20260310-112901-230-8389e37-x7k2p", "rank": 0, "state": "running", "author": "kexample", "reason": "Progressing", "target": "rhtap-releng-tenant", "project": "redhat/hummingbird/rpms", "attempts": [{"status": "Failed", "last_step": "push", "last_task": "push-rpms", "started_at": "2026-03-10T11:31:45Z", "finished_at": "2026-03-10T11:39:02Z", "pipelinerun": "rhtap-releng-tenant/managed-4tz9x", "failure_reason": "OOMKill"}, {"status": "Progressing", "started_at": "2026-03-10T11:39:10Z", "pipelinerun": "rhtap-releng-tenant/managed-r7m2q"}], "snapshot": "rpms-main-20260310-112901-230", "automated": true, "component": "pyyaml-main", "namespace": "hummingbird-tenant", "conditions": [{"type": "ManagedCollectorsPipelineProcessed", "reason": "Skipped", "status": "True"}, {"type": "ManagedPipelineProcessed", "reason": "Progressing", "status": "False"}, {"type": "Released", "reason": "Progressing", "status": "False"}, {"type": "TenantCollectorsPipelineProcessed", "reason": "Skipped", "status": "True"}, {"type": "TenantPipelineProcessed", "reason": "Skipped", "status": "True"}, {"type": "Validated", "reason": "Succeeded", "status": "True"}], "created_at": "2026-03-10T11:31:42+00:00", "expires_at": "2026-03-17T11:31:42+00:00", "message_id": "konflux/release-progressing.json", "started_at": "2026-03-10T11:31:42+00:00", "application": "rpms-main", "received_at": "2026-03-12T12:00:00+00:00", "release_plr": "managed-r7m2q", "release_plan": "rpms-main-release", "attempt_count": 2, "resource_version": 1000320110, "release_plr_namespace": "rhtap-releng-tenant"}
]$json$);

INSERT INTO replaced (
    kind, name, uid, rank, resource_version, tie, message_id, "row", received_at
)
SELECT
    kind, name, uid, rank, resource_version, tie, message_id, "row", received_at
FROM jsonb_populate_recordset(NULL::replaced, $json$[
{"row": {"sha": "d264e94308640045fc25f492aea41345c4e6db74", "tie": 0, "uid": "07b18252-caaf-4435-b4c6-cc174b357cc1", "name": "managed-c5p8d", "rank": 1, "type": "release", "event": "push", "state": "failed", "labels": {}, "reason": "Failed", "status": "False", "message": "Tasks Completed: 3 (Failed: 1, Cancelled 0), Skipped: 5", "project": "redhat/hummingbird/rpms", "results": {}, "snapshot": "rpms-main-20260201-060501-114", "namespace": "rhtap-releng-tenant", "created_at": "2026-02-01T06:21:00+00:00", "message_id": "konflux/pipelinerun-name-reused-older-uid.json", "started_at": "2026-02-01T06:21:00+00:00", "type_label": "managed", "application": "rpms-main", "finished_at": "2026-02-01T06:30:00+00:00", "release_name": "rpms-main-20260201-060501-114-3f1c0aa-m2n4b", "target_branch": "main", "resource_version": 881352127, "release_namespace": "hummingbird-tenant"}, "tie": 0, "uid": "07b18252-caaf-4435-b4c6-cc174b357cc1", "kind": "pipelineruns", "name": "managed-c5p8d", "rank": 1, "message_id": "konflux/pipelinerun-name-reused-older-uid.json", "received_at": "2026-03-12T12:00:00+00:00", "resource_version": 881352127}
]$json$);

INSERT INTO snapshots (
    name, namespace, cluster, uid, resource_version, created_at, rank, tie, type, application, component,
    component_count, image, image_digest, sha, project, mr_iid, event, target_branch, source_plr,
    group_members, scenarios, test_state, test_reason, test_message, release_state, release_message,
    conditions, deleted_at, message_id, message_at, received_at
)
SELECT
    name, namespace, cluster, uid, resource_version, created_at, rank, tie, type, application, component,
    component_count, image, image_digest, sha, project, mr_iid, event, target_branch, source_plr,
    group_members, scenarios, test_state, test_reason, test_message, release_state, release_message,
    conditions, deleted_at, message_id, message_at, received_at
FROM jsonb_populate_recordset(NULL::snapshots, $json$[
{"tie": -1773241242320000, "uid": "f1f6ca25-8051-4bc1-93e8-350fcb323ddc", "name": "rpms-main-20260311-150000-001", "rank": 0, "type": "override", "cluster": "kflux-prd-rh03", "namespace": "hummingbird-tenant", "scenarios": [], "conditions": [{"type": "AppStudioIntegrationStatus", "reason": "Finished", "status": "True"}, {"type": "AppStudioTestSucceeded", "reason": "Passed", "status": "True"}], "created_at": "2026-03-11T15:00:00+00:00", "message_at": "2026-03-11T15:00:42.32+00:00", "message_id": "40f0b1d5-9cca-4f9a-9e41-153b2de4119b", "test_state": "passed", "application": "rpms-main", "received_at": "2026-03-12T12:00:00+00:00", "test_reason": "Passed", "test_message": "All Integration Pipeline tests passed", "group_members": [], "component_count": 3, "resource_version": 1003964284},
{"sha": "def0a42d0714ddd3cae900d9c1c4c14230ca8f2c", "tie": 0, "uid": "913c4884-5e6b-407a-8ad8-51b42b67bf95", "name": "rpms-main-20260310-092002-655", "rank": 0, "type": "group", "event": "Merge Request", "mr_iid": 231, "project": "redhat/hummingbird/rpms", "namespace": "hummingbird-tenant", "scenarios": [{"state": "failed", "status": "TestFail", "details": "Integration test failed", "optional": true, "scenario": "rpms-main-testing-farm-aarch64", "started_at": "2026-03-10T09:20:10.560177593Z", "updated_at": "2026-03-10T09:58:40.937097056Z", "finished_at": "2026-03-10T09:58:40.937097056Z"}, {"state": "passed", "status": "TestPassed", "details": "Integration test passed", "optional": false, "scenario": "rpms-main-testing-farm-x86-64", "started_at": "2026-03-10T09:20:10.136233966Z", "updated_at": "2026-03-10T09:55:04.863566637Z", "finished_at": "2026-03-10T09:55:04.863566637Z", "pipelinerun": "rpms-main-testing-farm-x86-64-g3h9v"}], "conditions": [{"type": "AppStudioIntegrationStatus", "reason": "Finished", "status": "True"}, {"type": "AppStudioTestSucceeded", "reason": "Passed", "status": "True"}], "created_at": "2026-03-10T09:20:03+00:00", "message_id": "konflux/snapshot-group.json", "test_state": "passed", "application": "rpms-main", "received_at": "2026-03-12T12:00:00+00:00", "test_reason": "Passed", "test_message": "All Integration Pipeline tests passed", "group_members": [{"mr_iid": 231, "project": "redhat/hummingbird/rpms", "snapshot": "rpms-main-20260310-091935-117", "build_plr": "pyyaml-main-on-pull-request-m4tzb", "component": "pyyaml-main", "namespace": "hummingbird-tenant"}, {"mr_iid": 231, "project": "redhat/hummingbird/rpms", "snapshot": "rpms-main-20260310-091215-482", "build_plr": "zlib-main-on-pull-request-q9w4d", "component": "zlib-main", "namespace": "hummingbird-tenant"}], "target_branch": "main", "component_count": 3, "resource_version": 1000089003}
]$json$);
