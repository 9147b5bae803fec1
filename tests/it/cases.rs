//! Cases from real systems, in the folder that `CASES_DIR` names; they are not part of this project.
//!
//! Its `run-cases.py` runs each against the built programs, on the PostgreSQL of this run. Cases of the kinds `fault`
//! and `right` pass, except those of [`LATER`]; of the dubious ones those of [`DECIDED`] pass. A case of `LATER` that
//! passes is a failure, so the lists stay up to date.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{self, project};

/// Cases of known faults, and the issue that will repair them.
const LATER: &[(&str, &str)] = &[];

/// Cases with a disputable expectation that was accepted; the reason is at the documentation of the rule.
const DECIDED: &[&str] = &[
    "aws/page-function-with-a-bad-token-document",
    "aws/page-role-is-ignored",
    "buildkite-travis/auto-cancel-mails",
    "buildkite-travis/blocked-state-running",
    "buildkite-travis/created-and-then-skipped",
    "buildkite-travis/credential-wide-403-ip-list",
    "buildkite-travis/credential-wide-403-saml",
    "buildkite-travis/encrypted-recipients-become-authors",
    "buildkite-travis/hosts-that-match-nothing-port",
    "buildkite-travis/hosts-that-match-nothing-star",
    "buildkite-travis/page-that-calls-itself-success",
    "buildkite-travis/previous-state-any-order",
    "buildkite-travis/pull-by-another-host-name",
    "buildkite-travis/unblocked-within-the-second",
    "kcidb-bots/git-url-with-password",
    "kcidb-bots/json-sequence",
    "konflux-gitlab/branch-odd-characters",
    "konflux-gitlab/component-versions-push-to-second",
    "konflux-gitlab/kubearchive-deleted-type",
    "konflux-gitlab/mr-two-instances-same-path",
    "konflux-gitlab/mr-two-pushes-one-second-reversed",
    "konflux-gitlab/mr-updated-at-in-the-future",
    "konflux-gitlab/mr-webhook-then-system-hook",
    "konflux-gitlab/pipelinerun-same-name-two-namespaces",
    "konflux-gitlab/project-rename-system-hook",
    "konflux-gitlab/push-after-rename-affects-nothing",
    "konflux-gitlab/push-commit-date-neg",
    "konflux-gitlab/push-commit-date-offset-518h",
    "konflux-gitlab/push-main-forced-back",
    "pages/badge-of-a-component-with-failed-tests",
    "pages/broken-for-37-hours",
    "pages/deliveries-without-a-target",
    "pages/replay-of-an-unknown-reason",
    "pages/short-sha",
    "pages/unknown-query-parameter",
];

/// Statuses of a failed case.
const BAD: &[&str] = &["fail", "broken"];

/// The result of a case: its kind, status and reason.
type Results = BTreeMap<String, (String, String, String)>;

/// The folder of the cases; relative to the project.
fn folder() -> Option<PathBuf> {
    let name = std::env::var("CASES_DIR").ok().filter(|name| !name.is_empty());
    if name.is_none() {
        println!("CASES_DIR is not set");
    }
    name.map(|name| project(&name))
}

fn has_python() -> bool {
    let quiet = |command: &mut Command| command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet(Command::new("python3").arg("--version")).is_ok_and(|status| status.success())
}

/// Runs cases of some kinds, and of some names if any are given.
fn run(folder: &Path, kinds: &[&str], only: &[&str], database_url: &str) -> Results {
    let results = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cases-{}.json", kinds.join("-")));
    let mut command = Command::new("python3");
    command.arg(folder.join("run-cases.py"));
    command.args(["--bin", env!("CARGO_BIN_EXE_hummingbird-status"), "--source", env!("CARGO_MANIFEST_DIR")]);
    command.args(["--database-url", database_url, "--jobs", "2", "--quiet"]);
    // Time limits for hanging cases, not for slow ones: the machine may be busy.
    command.args(["--step-seconds", "120", "--case-seconds", "600", "--budget", "7200"]);
    command.arg("--json").arg(&results);
    command.args(kinds.iter().flat_map(|kind| ["--kind", kind]));
    command.args(only.iter().flat_map(|name| ["--only", name]));
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let text = std::fs::read_to_string(&results).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&said)));
    std::fs::remove_file(&results).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    let member = |case: &Value, name: &str| case[name].as_str().unwrap().to_owned();
    let read =
        |case: &Value| (member(case, "case"), (member(case, "kind"), member(case, "result"), member(case, "why")));
    cases.iter().map(read).collect()
}

/// The problems of the results, given the cases that may fail.
fn problems(results: &Results, later: &[(&str, &str)]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, (kind, result, why)) in results {
        let listed = later.iter().find(|(listed, _)| listed == name);
        match (BAD.contains(&result.as_str()), listed) {
            (true, None) => found.push(format!("{name} ({kind}): {result}: {why}")),
            (false, Some(_)) if result == "pass" => found.push(format!("{name} ({kind}) passes: take it out of LATER")),
            (true, Some((_, reason))) => println!("{name}: later: {reason}"),
            (false, _) => {}
        }
    }
    found
}

#[tokio::test]
async fn cases() {
    let Some(folder) = folder() else { return };
    if !has_python() {
        return println!("there is no python3");
    }
    let url = support::bare_database("cases_admin").await;
    let (faults, decided) = tokio::task::spawn_blocking(move || {
        let faults = run(&folder, &["fault", "right"], &[], &url);
        let decided = if DECIDED.is_empty() { Results::new() } else { run(&folder, &["dubious"], DECIDED, &url) };
        (faults, decided)
    })
    .await
    .unwrap();
    println!("{} cases, {} that were decided", faults.len(), decided.len());
    let mut found = problems(&faults, LATER);
    found.extend(problems(&decided, &[]));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_listed_case_that_passes_is_reported() {
    let case = |result: &str| ("fault".to_owned(), result.to_owned(), "why".to_owned());
    let results = [("a/x", case("fail")), ("a/y", case("pass")), ("a/z", case("broken")), ("a/s", case("skip"))];
    let results: Results = results.into_iter().map(|(name, case)| (name.to_owned(), case)).collect();
    let of = |later: &[(&str, &str)]| problems(&results, later);
    assert_eq!(of(&[]), ["a/x (fault): fail: why", "a/z (fault): broken: why"]);
    assert_eq!(of(&[("a/x", "r"), ("a/z", "r"), ("a/s", "r")]), [""; 0]);
    assert_eq!(of(&[("a/x", "r"), ("a/y", "r"), ("a/z", "r")]), ["a/y (fault) passes: take it out of LATER"]);
}
