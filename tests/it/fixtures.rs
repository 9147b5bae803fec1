//! Every file of `events/`: its outcome, and its rows in an otherwise empty database.
//!
//! The snapshots are to be read beside `events/README.md`, which says what each file is about. They have the important
//! columns; a column that is null is left out.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use hummingbird_status::db::Store;
use hummingbird_status::ingest::{Report, answer, ingest};
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;
use hummingbird_status::transport::lambda::Invocation;

use crate::support::{self, deadline, files, render, schema};

/// The important columns of each table, in lines of columns that belong together.
const COLUMNS: &[(&str, &[&str])] = &[
    (
        "components",
        &[
            "name namespace cluster resource_version created_at deleted_at",
            "application git_project git_revision git_context git_versions git_url",
            "last_built_commit container_image last_promoted_image",
        ],
    ),
    (
        "pipelineruns",
        &[
            "name namespace cluster resource_version deleted_at",
            "type type_label state status reason verdict message",
            "application component sha project mr_iid event target_branch source_branch",
            "snapshot scenario release_namespace release_name",
            "created_at started_at finished_at",
            "image_digest image_url log_url",
            "results labels",
        ],
    ),
    (
        "snapshots",
        &[
            "name namespace cluster resource_version created_at deleted_at",
            "type application component component_count image_digest image",
            "sha project mr_iid event target_branch source_plr",
            "group_members",
            "scenarios",
            "test_state test_reason test_message release_state release_message",
            "conditions",
        ],
    ),
    (
        "releases",
        &[
            "name namespace cluster resource_version deleted_at",
            "state reason failed_phase failure_reason last_task message",
            "application component snapshot release_plan target automated author",
            "sha project mr_iid",
            "release_plr_namespace release_plr attempt_count attempts",
            "created_at started_at finished_at expires_at",
            "conditions",
        ],
    ),
    ("replaced", &["kind name uid"]),
    (
        "gitlab_pushes",
        &[
            "repo ref sha before_sha default_branch project_id",
            "pushed_at committed_at title author pushed_by url",
            "commit_count files_complete changed_files",
        ],
    ),
    (
        "gitlab_merge_requests",
        &[
            "project iid project_id state draft title",
            "sha source_branch target_branch source_project_id target_project_id",
            "author_id author last_action last_actor labels merge_commit_sha",
            "created_at updated_at version_at merged_at source url",
        ],
    ),
    ("gitlab_mr_versions", &["project iid sha head_at seen_at"]),
    (
        "gitlab_pipelines",
        &[
            "host id iid project project_id name status detailed_status source ever_bad",
            "ref tag sha title username stages url",
            "mr_iid mr_project_id mr_source_branch mr_target_branch parent_project parent_id",
            "created_at finished_at newest_job version_at job_ranks rank",
        ],
    ),
    (
        "gitlab_jobs",
        &[
            "host id pipeline_id check_name status allow_failure failure_reason ever_bad",
            "project project_id stage name ref merge_ref tag sha environment username url",
            "created_at started_at finished_at version_at rank",
        ],
    ),
    (
        "gitlab_deployments",
        &[
            "host id project project_id environment tier environment_url status",
            "job_id job_url ref sha title commit_url username changed_at version_at rank",
        ],
    ),
    (
        "kcidb_checkouts",
        &[
            "id origin tree_name valid",
            "git_commit_hash git_commit_name git_commit_tags git_repository_branch git_repository_branch_tip",
            "git_repository_url patchset_files patchset_hash",
            "start_time origin_builds_finish_time origin_tests_finish_time",
            "comment log_url log_excerpt_sha256 misc",
        ],
    ),
    (
        "kcidb_builds",
        &[
            "id checkout_id origin status architecture config_name compiler command",
            "start_time duration",
            "comment input_files output_files log_url log_excerpt_sha256 misc",
        ],
    ),
    (
        "kcidb_tests",
        &[
            "id build_id origin path status",
            "start_time duration number_value number_unit number_prefix",
            "environment_comment environment_compatible environment_misc",
            "comment input_files output_files log_url log_excerpt_sha256 misc",
        ],
    ),
    (
        "kcidb_issues",
        &["id version origin categories report_url report_subject culprit_code culprit_tool culprit_harness comment"],
    ),
    ("kcidb_incidents", &["id origin issue_id issue_version build_id test_id present"]),
    ("kcidb_issue_regexes", &["id issue_id issue_version deleted text_match architecture_match package_name_match"]),
    ("kcidb_requeue", &["stage after_id"]),
    ("kcidb_log_excerpts", &["sha256 text"]),
    ("kcidb_milestones", &["checkout_id milestone overdue"]),
    ("kcidb_occurrences", &["incident_id checkout_id"]),
    (
        "buildkite_builds",
        &[
            "id number state blocked_state",
            "organization pipeline repo_host repo_path branch commit source title",
            "started_at failing_at finished_at event_at detail_type",
        ],
    ),
    (
        "travis_repositories",
        &[
            "id owner_name name private current_build_id",
            "last_build_id last_build_number last_build_state last_build_duration last_build_started_at \
                last_build_finished_at",
        ],
    ),
    (
        "travis_builds",
        &[
            "id repository_id number state previous_state event_type branch duration fast_finish config_error",
            "created_at received_at started_at finished_at canceled_at restarted_at",
            "pull_request notifications",
        ],
    ),
    ("travis_stages", &["id number name state started_at finished_at"]),
    (
        "travis_jobs",
        &[
            "id stage_id stage_number number state allow_failure queue attempt reset_count restarted_by",
            "created_at queued_at received_at started_at finished_at canceled_at restarted_at",
        ],
    ),
    ("travis_job_versions", &["job_id number state started_at finished_at"]),
    ("travis_queueable_jobs", &["job_id build_id"]),
    ("travis_pending", &["object object_id event told"]),
    ("bots", &["name status updated_at interval_seconds comment", "meta warnings"]),
    ("bot_beats", &["name at status before"]),
    ("refused", &["id family reason detail"]),
];

/// Columns of which the beginning is enough, and how much of it.
const CUT: &[(&str, u8)] = &[
    ("sha", 8),
    ("before_sha", 8),
    ("merge_commit_sha", 8),
    ("last_built_commit", 8),
    ("image_digest", 15),
    ("container_image", 90),
    ("last_promoted_image", 90),
    ("image", 90),
    ("log_url", 60),
    ("git_commit_hash", 8),
    ("detail", 120),
];

/// A query for all rows, each as text of some lines.
fn all_rows(more: &[(&str, &[&str])]) -> String {
    let cell = |column: &str| match CUT.iter().find(|(name, _)| *name == column) {
        Some((name, length)) => format!("'{name}=' || left({name}, {length})"),
        None => format!("'{column}=' || {column}::text"),
    };
    let line = |columns: &str| {
        let cells: Vec<String> = columns.split(' ').map(cell).collect();
        format!("nullif(concat_ws('  ', {}), '')", cells.join(", "))
    };
    let of_table = |(place, (table, lines)): (usize, &(&str, &[&str]))| {
        let lines: Vec<String> = lines.iter().map(|columns| line(columns)).collect();
        format!("SELECT {place}, '  {table}: ' || concat_ws(E'\\n    ', {}) FROM {table}", lines.join(", "))
    };
    let parts: Vec<String> = COLUMNS.iter().chain(more).enumerate().map(of_table).collect();
    format!("SELECT x FROM ({}) AS r (place, x) ORDER BY place, x COLLATE \"C\"", parts.join(" UNION ALL "))
}

/// Takes deliveries into an empty database, and says why which rows are there then.
async fn take_in(store: &Store, deliveries: &[Delivery], more: &[(&str, &[&str])]) -> (Report, String) {
    schema::clear(store).await;
    let report = ingest(store, deliveries, &Settings::default(), deadline()).await;
    assert_eq!(report.error, None);
    let mut text = String::new();
    for (reason, count) in &report.reasons {
        writeln!(text, "  {reason} {count}").unwrap();
    }
    for row in render::rows(store, &all_rows(more)).await {
        writeln!(text, "{row}").unwrap();
    }
    (report, text)
}

/// Each file of a source's folder, alone.
async fn of_source(folder: &str) -> String {
    of_source_with(folder, &[]).await
}

/// The same, with tables that only this source's snapshot shows.
async fn of_source_with(folder: &str, more: &[(&str, &[&str])]) -> String {
    let db = support::database().await;
    let mut text = String::new();
    for (name, body) in files(&format!("events/{folder}"), ".json") {
        let delivery = Delivery { id: name.clone(), body, ..Delivery::default() };
        let (report, rest) = take_in(&db.store, &[delivery], more).await;
        writeln!(text, "{} {:?}\n{rest}", name.trim_end_matches(".json"), report.outcomes()[0]).unwrap();
    }
    text
}

#[tokio::test]
async fn konflux() {
    insta::assert_snapshot!(of_source("konflux").await);
}

#[tokio::test]
async fn gitlab() {
    let checks: (&str, &[&str]) = (
        "checks",
        &["kind key stage name state original warn optional ever_bad", "host repo sha branch mr lane attempt url"],
    );
    insta::assert_snapshot!(of_source_with("gitlab", &[checks]).await);
}

#[tokio::test]
async fn kcidb() {
    insta::assert_snapshot!(of_source("kcidb").await);
}

#[tokio::test]
async fn buildkite() {
    let outbox: (&str, &[&str]) = ("outbox", &["family event key", "attributes", "payload"]);
    insta::assert_snapshot!(of_source_with("buildkite", &[outbox]).await);
}

#[tokio::test]
async fn travis() {
    let outbox: (&str, &[&str]) = ("outbox", &["event attributes"]);
    insta::assert_snapshot!(of_source_with("travis", &[outbox]).await);
}

#[tokio::test]
async fn bots() {
    insta::assert_snapshot!(of_source("bots").await);
}

/// Each as an invocation of its own: what becomes of each delivery, and what SQS is answered.
#[tokio::test]
async fn envelope() {
    let db = support::database().await;
    let mut text = String::new();
    for (name, body) in files("events/envelope", ".json") {
        let invocation = Invocation::read(&body);
        let (report, rest) = take_in(&db.store, &invocation.deliveries, &[]).await;
        let answer = answer(&invocation, &report).map(|answer| serde_json::to_string(&answer).unwrap());
        // README.md promises this for all files, while the database is available.
        assert_eq!(answer.unwrap(), r#"{"batchItemFailures":[]}"#, "{name}");
        let of = if invocation.partial { "SQS" } else { "another caller" };
        writeln!(text, "{}, of {of}", name.trim_end_matches(".json")).unwrap();
        for (delivery, outcome) in invocation.deliveries.iter().zip(report.outcomes()) {
            let id = if delivery.id.is_empty() { "-" } else { &delivery.id };
            writeln!(text, "  {id} {outcome:?}").unwrap();
        }
        writeln!(text, "{rest}").unwrap();
    }
    insta::assert_snapshot!(text);
}

/// README.md describes each file: without that a reviewer cannot check a snapshot.
#[test]
fn every_file_is_in_the_readme() {
    let readme = std::fs::read_to_string(support::project("events/README.md")).unwrap();
    let mut listed = BTreeSet::new();
    let mut folder = "";
    for line in readme.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            folder = heading;
        }
        if let Some(name) =
            line.strip_prefix("| ").and_then(|row| row.split(" | ").next()).filter(|name| *name != "file")
        {
            assert!(listed.insert(format!("{folder}/{name}.json")), "{name} is listed twice");
        }
    }
    let files: BTreeSet<String> = files("events", ".json").into_iter().map(|(name, _)| name).collect();
    assert_eq!(listed, files);
}
