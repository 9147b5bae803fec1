//! `conformance/buildkite-bot` (without the bots) and `samples/buildkite`: pure decisions case by case, and the order
//! of events up to the posts at a fake GitHub.

use std::path::Path;

use hummingbird_status::deliver::policy::{self, Answer, Decision};
use hummingbird_status::deliver::states::{Forge as Kind, shortened};
use hummingbird_status::ingest::ingest;
use hummingbird_status::outbox::Attempts;
use hummingbird_status::outbox::queue::Outcome;
use hummingbird_status::sources::Settings;
use hummingbird_status::sources::buildkite::{Repo, rules};
use hummingbird_status::transport::Delivery;
use jiff::Timestamp;
use serde_json::Value;

use super::{data, folder};
use crate::deliver::{drain, github};
use crate::support::forge::{Forge, created};
use crate::support::{self, deadline, render, schema};

/// Files of the folder about bots, which are another source.
const BOTS: &str = "bot_status_";

/// The results of the cases of a file.
#[derive(Default)]
struct Result {
    passed: usize,
    failed: Vec<String>,
}

impl Result {
    fn case(&mut self, name: impl std::fmt::Display, right: bool, found: impl std::fmt::Debug) {
        match right {
            true => self.passed += 1,
            false => self.failed.push(format!("{name}: {found:?}")),
        }
    }
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

fn cases<'v>(document: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    document[name].as_array().into_iter().flatten()
}

#[tokio::test]
async fn buildkite() {
    let Some(root) = folder() else { return };
    let mut failed = Vec::new();
    for (name, bytes) in data(&root.join("conformance/buildkite-bot")) {
        if name.starts_with(BOTS) {
            continue;
        }
        let document: Value = serde_json::from_slice(&bytes).unwrap();
        let result = match name.as_str() {
            "repo_url.json" => repo_url(&document),
            "build_state_mapping.json" => build_state_mapping(&document),
            "description.json" => description(&document),
            "github_response_policy.json" => response_policy(&document),
            "ordering.json" => ordering(&document, &root.join("samples/buildkite")).await,
            _ => {
                println!("buildkite-bot/{name}: not known to this test");
                continue;
            }
        };
        println!("buildkite-bot/{name}: {} passed, 0 deviating, {} failed", result.passed, result.failed.len());
        failed.extend(result.failed.into_iter().map(|case| format!("{name}: {case}")));
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn repo_url(document: &Value) -> Result {
    let mut result = Result::default();
    for case in cases(document, "cases") {
        // The kind of the host decides how deep a path may be; of these hosts, only GitLab's can be recognised by their
        // names.
        let kind = |repo: &Repo| if repo.host.contains("gitlab") { Kind::Gitlab } else { Kind::Github };
        let found = rules::repo(text(case, "url")).filter(|repo| kind(repo).has(&repo.path));
        let expected = &case["recommended"];
        let right = match &found {
            Some(repo) => repo.host == text(expected, "host") && repo.path == text(expected, "path"),
            None => expected == "reject",
        };
        result.case(text(case, "url"), right, found);
    }
    result
}

/// Whether a state is one of those that a recommendation begins with: `success|pending (option ..)`, `DECIDE: success
/// (..`.
fn recommends(recommendation: &str, word: &str) -> bool {
    let words = recommendation.trim_start_matches("DECIDE: ");
    words.split([' ', ';', '(']).next().unwrap_or_default().split('|').any(|one| one == word)
}

fn build_state_mapping(document: &Value) -> Result {
    let mut result = Result::default();
    for case in cases(document, "cases") {
        let name = text(case, "state");
        let blocked_state = case["blocked_state"].as_str();
        let found = rules::state(name, blocked_state);
        for (kind, member) in [(Kind::Github, "recommended_github"), (Kind::Gitlab, "recommended_gitlab")] {
            let expected = text(case, member);
            let right = match found {
                Some(state) => recommends(expected, kind.word(state)),
                None => !kind.words().iter().any(|word| recommends(expected, word)),
            };
            result.case(format!("{name} {member}"), right, found);
        }
    }
    result
}

fn description(document: &Value) -> Result {
    let mut result = Result::default();
    for case in cases(document, "cases") {
        let number = case["number"].as_i64().unwrap();
        let blocked_state = case["blocked_state"].as_str();
        let found = rules::description(number, text(case, "state"), blocked_state, case["seconds"].as_i64());
        let found = shortened(&found, 140);
        result.case(text(case, "text"), found == text(case, "text"), found);
    }
    result
}

/// The time that the cases call `T`.
const T: i64 = 1_700_000_000;

/// `T`, `T+42`, `T-1800`.
fn seconds(text: &str) -> Option<i64> {
    let offset = text.strip_prefix('T')?;
    Some(if offset.is_empty() { T } else { T + offset.parse::<i64>().ok()? })
}

fn an_answer(case: &Value) -> Answer {
    let value = |name: &str, value: &str| match (name, seconds(value)) {
        ("date", Some(at)) => {
            let at = Timestamp::from_second(at).unwrap();
            at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
        }
        (_, Some(at)) => at.to_string(),
        _ => value.to_owned(),
    };
    let headers = case["headers"].as_object().into_iter().flatten();
    Answer {
        status: case["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or_default(),
        headers: headers
            .map(|(name, said)| (name.to_lowercase(), value(name, said.as_str().unwrap_or_default())))
            .collect(),
        body: text(case, "body").to_owned(),
        at: Timestamp::from_second(T).unwrap(),
    }
}

fn response_policy(document: &Value) -> Result {
    let mut result = Result::default();
    for (list, decide) in [("cases", policy::github as fn(&Answer, Attempts) -> Decision), ("gitlab", policy::gitlab)] {
        for case in cases(document, list) {
            let answer = an_answer(case);
            let found = decide(&answer, Attempts::default());
            result.case(case, follows(case, &found, &|attempts| decide(&answer, attempts)), found);
        }
    }
    result
}

/// Whether a decision is the action that a case expects.
fn follows(case: &Value, decision: &Decision, again: &dyn Fn(Attempts) -> Decision) -> bool {
    let wait = text(case, "until").split([' ', '(']).next().and_then(seconds).map(|until| (until - T) as u64);
    match (text(case, "action"), &decision.outcome) {
        ("delivered", Outcome::Delivered) => true,
        ("permanent", Outcome::Dead { why }) => {
            // The names of the cases are compared where other systems depend on them.
            text(case, "reason") != "status_cap" || why.starts_with("status_cap")
        }
        ("permanent_after", Outcome::Retry { refused: true, .. }) => {
            let attempts = case["attempts"].as_i64().map_or(3, |attempts| attempts as i32);
            let after = |rejections| again(Attempts { attempts: rejections, rejections }).outcome;
            matches!(after(attempts - 1), Outcome::Dead { .. }) && !matches!(after(attempts - 2), Outcome::Dead { .. })
        }
        ("pause_target", Outcome::Pause { .. }) => decision.pause.is_some(),
        ("pause_target_until", Outcome::Pause { .. }) => {
            let doubles = text(case, "until").contains("doubling");
            decision.pause.is_some_and(|(time, doubling)| {
                wait.is_none_or(|wait| wait == time.as_secs()) && (!doubles || doubling)
            })
        }
        ("backoff", Outcome::Retry { jitter: true, .. }) => decision.fault,
        ("retry_at", Outcome::Retry { wait: found, jitter: false, .. }) => {
            wait.is_none_or(|wait| wait == found.as_secs())
        }
        // Redirects are followed before the decision: see deliver.rs. One that cannot be followed makes the delivery
        // dead.
        (action, Outcome::Dead { .. }) => {
            (300..400).contains(&case["status"].as_u64().unwrap_or_default()) && !action.is_empty()
        }
        _ => false,
    }
}

/// Events by their names in `samples/buildkite/derived`, from ingest to the post.
async fn ordering(document: &Value, samples: &Path) -> Result {
    let mut result = Result::default();
    let db = support::database().await;
    let files = data(samples);
    for case in cases(document, "cases") {
        schema::clear(&db.store).await;
        let forge = Forge::start(|_| created()).await;
        let targets = github(&forge, "ghe.example.com");
        for event in cases(case, "events") {
            let name = event.as_str().unwrap_or_default();
            let body = sample(&files, name);
            let delivery =
                Delivery { id: name.to_owned(), body, sent_at: Some(Timestamp::now()), ..Delivery::default() };
            ingest(&db.store, &[delivery], &Settings::default(), deadline()).await;
            drain(&db.store, &targets).await;
        }
        let posts = forge.posts();
        let last = posts.last().map(|post| text(&post.body, "state").to_owned());
        let expected = case["final"].as_str().and_then(|text| text.split(' ').next());
        let right =
            last.as_deref() == expected && case["posts"].as_u64().is_none_or(|count| count == posts.len() as u64);
        result.case(text(case, "title"), right, (last, posts.len()));
    }
    result
}

/// A sample; one that a case names and that is missing is derived from a similar one.
fn sample(files: &[(String, Vec<u8>)], name: &str) -> Vec<u8> {
    let find =
        |name: &str| files.iter().find(|(file, _)| file.ends_with(&format!("{name}.json"))).map(|(_, body)| body);
    match find(name) {
        Some(body) => body.clone(),
        None => {
            assert_eq!(name, "rebuild_newer_number_passed", "no sample of that name");
            let mut document: Value = serde_json::from_slice(find("finished_passed").unwrap()).unwrap();
            document["detail"]["build"]["number"] = 12.into();
            document["detail"]["build"]["uuid"] = "8fcaa7b9-e175-4110-9f48-f79949806a32".into();
            document["id"] = "00000000-0000-4000-8000-000000000022".into();
            document["time"] = "2024-08-19T07:20:00Z".into();
            document.to_string().into_bytes()
        }
    }
}

/// Every published event is kept, or ignored if it is not about a build.
#[tokio::test]
async fn buildkite_samples() {
    let Some(root) = folder() else { return };
    let db = support::database().await;
    let mut failed = Vec::new();
    for (name, body) in data(&root.join("samples/buildkite")) {
        schema::clear(&db.store).await;
        let delivery = Delivery { id: name.clone(), body, ..Delivery::default() };
        let report = ingest(&db.store, &[delivery], &Settings::default(), deadline()).await;
        let rows = render::rows(&db.store, "SELECT state FROM buildkite_builds").await;
        println!("buildkite/{name}: {:?} {}", report.outcomes()[0], rows.join(""));
        let is_build = name.starts_with("build_") || name.starts_with("derived/");
        if (rows.len() == 1) != is_build || report.counts().refused > 0 {
            failed.push(name);
        }
    }
    assert_eq!(failed, [""; 0]);
}
