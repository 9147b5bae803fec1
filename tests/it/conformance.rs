//! Samples from elsewhere, in the folder that `CONFORMANCE_DIR` names; they are not part of this project.
//!
//! Ingests all files: an unknown file must do no harm, and one that is known by its name or by `SOURCES.md` beside it
//! must have the known outcome. Prints the outcome of each file (`--nocapture`).

mod bots;
mod buildkite;
mod kcidb;
mod travis;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hummingbird_status::ingest::Outcome::{self, Ignored, Kept, Outdated};
use hummingbird_status::ingest::ingest;
use hummingbird_status::sources::Settings;
use hummingbird_status::sources::gitlab::read_merge_requests;
use hummingbird_status::transport::Delivery;

use crate::support::{self, deadline, difference, files_in, project, render, schema};

/// Folders with data of future sources, and the issues that will add them.
const NOT_YET: &[(&str, u32)] = &[];

/// The allowed outcomes of a file by the beginning of its name, first match. `Outdated`: another file has the same
/// content or newer.
const EXPECTED: &[(&str, &[Outcome])] = &[
    // Templates with placeholders, of which only the beginning is known: any outcome without harm.
    ("konflux/plr-template", &[Kept, Outdated, Outcome::Rejected]),
    ("konflux/plr-", &[Kept, Outdated]),
    ("konflux/component-", &[Kept, Outdated]),
    ("konflux/snapshot-", &[Kept, Outdated]),
    ("konflux/release-", &[Kept, Outdated]),
    ("konflux/SYNTHETIC-release-", &[Kept, Outdated]),
    ("konflux/releaseplan", &[Ignored]),
    ("konflux/application", &[Ignored]),
    ("konflux/integrationtestscenario", &[Ignored]),
    ("gitlab/mr-", &[Kept, Outdated]),
    ("gitlab/system-hook-mr", &[Kept, Outdated]),
    ("gitlab/push-main", &[Kept, Outdated]),
    ("gitlab/push-branch-delete", &[Ignored]),
    // The outcome depends on the branch.
    ("gitlab/push-", &[Kept, Outdated, Ignored]),
    ("gitlab/tag-", &[Ignored]),
    ("gitlab/note-", &[Ignored]),
    ("gitlab/issue-", &[Ignored]),
    ("gitlab/pipeline", &[Ignored]),
    ("gitlab/release", &[Ignored]),
    // Answers of the API are for reconcile; as messages they belong to no source.
    ("gitlab_api/", &[Ignored]),
    ("envelopes/", &[Kept, Outdated]),
];

/// The folder, if one is named; relative to the project, as in `CONFORMANCE_DIR=../shared`.
fn folder() -> Option<PathBuf> {
    let name = std::env::var("CONFORMANCE_DIR").ok().filter(|name| !name.is_empty());
    if name.is_none() {
        println!("CONFORMANCE_DIR is not set");
    }
    name.map(|name| project(&name))
}

/// Files that hold data, below a folder that may be missing.
fn data(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let all = if folder.is_dir() { files_in(folder, "") } else { Vec::new() };
    all.into_iter().filter(|(name, _)| name.ends_with(".json") || name.ends_with(".json.gz")).collect()
}

/// The notes of all `SOURCES.md`, by file (`konflux/application.json`).
fn notes(root: &Path) -> BTreeMap<String, String> {
    let mut notes = BTreeMap::new();
    for (name, text) in if root.is_dir() { files_in(root, "SOURCES.md") } else { Vec::new() } {
        let folder = name.trim_end_matches("SOURCES.md");
        for row in String::from_utf8_lossy(&text).lines().filter_map(|line| line.strip_prefix("| ")) {
            let cells: Vec<&str> = row.split(" | ").collect();
            if let [file, .., note] = cells.as_slice() {
                let folder = if file.contains('/') { "" } else { folder };
                notes.insert(format!("{folder}{file}"), note.trim_end_matches(" |").to_owned());
            }
        }
    }
    notes
}

/// The allowed outcomes of a file, if they are known.
fn expected(name: &str, note: Option<&String>) -> Option<&'static [Outcome]> {
    if note.is_some_and(|note| note.contains("must be ignored") || note.contains("ignored kind")) {
        return Some(&[Ignored]);
    }
    EXPECTED.iter().find(|(start, _)| name.starts_with(start)).map(|(_, outcomes)| *outcomes)
}

/// The problem of an outcome, if there is one.
fn problem(outcome: Outcome, reason: &str, expected: Option<&[Outcome]>) -> Option<String> {
    if outcome == Outcome::Retry || reason.contains("panic") {
        return Some("must never be".to_owned());
    }
    let expected = expected.filter(|expected| !expected.contains(&outcome))?;
    Some(format!("expected one of {expected:?}"))
}

#[tokio::test]
async fn conformance() {
    let Some(root) = folder() else { return };
    let samples = root.join("samples/hummingbird");
    let notes = notes(&samples);
    let deliveries: Vec<Delivery> =
        data(&samples).into_iter().map(|(id, body)| Delivery { id, body, ..Delivery::default() }).collect();
    let db = support::database().await;
    let mut broken = Vec::new();
    for delivery in &deliveries {
        let name = &delivery.id;
        let report = ingest(&db.store, std::slice::from_ref(delivery), &Settings::default(), deadline()).await;
        let outcome = report.outcomes()[0];
        let reasons: Vec<&str> = report.reasons.keys().map(String::as_str).collect();
        let details = format!("FROM refused WHERE id = '{}'", name.replace('\'', "''"));
        let details = render::table(&db.store, &["detail"], &details).await;
        let reason = [reasons.join(", "), details].join(" ");
        println!("{name} -> {outcome:?} {}", reason.trim());
        if let Some(problem) = problem(outcome, &reason, expected(name, notes.get(name))) {
            broken.push(format!("{name} -> {outcome:?} {reason}: {problem}"));
        }
    }
    println!("{} samples", deliveries.len());
    assert!(broken.is_empty(), "{}", broken.join("\n"));

    let one_by_one = render::all(&db.store).await;
    schema::clear(&db.store).await;
    ingest(&db.store, &deliveries, &Settings::default(), deadline()).await;
    let at_once = render::all(&db.store).await;
    assert!(at_once == one_by_one, "all in one batch give other rows:\n{}", difference(&one_by_one, &at_once));

    for (folder, issue) in NOT_YET {
        for (name, _) in data(&root.join(folder)) {
            println!("{folder}/{name}: not yet: issue {issue}");
        }
    }
}

/// Recorded answers of the API: pages, and single merge requests, which count as pages with one item.
#[test]
fn answers_of_the_api_are_read() {
    let Some(root) = folder() else { return };
    for (name, body) in data(&root.join("samples/hummingbird/gitlab_api")) {
        let text = String::from_utf8(body).unwrap();
        let page = if text.trim_start().starts_with('[') { text } else { format!("[{text}]") };
        let answer = read_merge_requests(&page, "g/p", jiff::Timestamp::UNIX_EPOCH).unwrap();
        println!("{name} -> {} read, {} not", answer.merge_requests.len(), answer.refused.len());
        let is_of_merge_requests = name.contains("merge-request") && !name.contains("diffs");
        assert_eq!(!answer.merge_requests.is_empty(), is_of_merge_requests, "{name}");
        assert_eq!(answer.refused.is_empty(), is_of_merge_requests, "{name}: {:?}", answer.refused);
    }
}

/// The job and build state machine: prints how many cases pass, deviate on purpose (by deviation), and fail.
#[tokio::test]
async fn conformance_travis() {
    let Some(root) = folder() else { return };
    let db = support::database().await;
    let tally = travis::run(&db.store, &root.join("conformance/travis")).await;
    for (names, cases) in &tally.deviating {
        println!("{names}: {} ({})", cases.len(), cases.join(", "));
    }
    let deviating: usize = tally.deviating.values().map(Vec::len).sum();
    println!("travis: {} passed, {deviating} deviating on purpose, {} failed", tally.passed, tally.failed.len());
    assert!(tally.failed.is_empty(), "{}", tally.failed.join("\n"));
}

#[test]
fn known_outcomes_of_files_are_checked() {
    let note = "real dump (irrelevant kind, must be ignored)".to_owned();
    assert_eq!(expected("konflux/component-x.json", Some(&note)), Some(&[Ignored][..]));
    assert_eq!(expected("konflux/releaseplanadmission.json", None), Some(&[Ignored][..]));
    assert_eq!(expected("konflux/release-failed.json", None), Some(&[Kept, Outdated][..]));
    assert_eq!(expected("konflux/never-heard-of.json", None), None);
    assert!(problem(Outcome::Retry, "", None).is_some());
    assert!(problem(Outcome::Rejected, "refused: panic ", None).is_some());
    assert!(problem(Outcome::Rejected, "refused: bad-field", Some(&[Kept])).is_some());
    assert_eq!(problem(Outcome::Rejected, "refused: bad-field", None), None);
    assert_eq!(problem(Kept, "", Some(&[Kept, Outdated])), None);
}
